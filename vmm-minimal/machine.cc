#include "vmm-minimal/machine.h"

#include "vmm-minimal/acpi.h"
#include "vmm-minimal/cpuid.h"
#include "vmm-minimal/hyperv_cpuid.h"
#include "vmm-minimal/nics.h"
#include "vmm-minimal/smbios.h"

namespace viridian::vmm {
namespace {

constexpr uint32_t kMtrrDefaultType = 0x2FF;  // MSR: Intel SDM 3A, 11.11.2.1
constexpr uint64_t kMtrrEnabledWriteBack = 1 << 11 | 6;
constexpr uint32_t kTimeStampCounter = 0x10;  // MSR

// Said at once: such a KVM would chew on the kernel's decompressor for half an hour first.
Result<void> check_host(const Config& config) {
  if (config.kernel.empty() || config.any_kvm || has_hardware_virtualization()) return {};
  return fail(ErrorKind::kUnsupported,
              "kernel: this machine's KVM cannot run this guest: the processor offers neither VMX "
              "nor SVM, so /dev/kvm here (PVM or the like) interprets a stock kernel; use a host "
              "with hardware virtualization, run inside a QEMU TCG machine (docs/guest-tests.md), "
              "or try all the same with --any-kvm");
}

Result<EntryPoint> load_guest(const GuestMemory& memory, const Config& config) {
  if (!config.payload.empty()) {
    return load_payload(memory, config.payload,
                        config.payload_is_real_mode ? CpuMode::kReal : CpuMode::kLong);
  }
  return load_linux(memory, {.kernel_path = config.kernel,
                             .initrd_path = config.initrd,
                             .command_line = config.append,
                             .acpi_rsdp = to_u64(kAcpiBase)});
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::create(const Host& host, const Config& config,
                                                 int console_event) {
  std::unique_ptr<Machine> machine(new Machine);
  auto ram = GuestRam::allocate(config.memory_bytes);
  if (!ram) return Unexpected(ram.error());
  machine->ram_.emplace(std::move(*ram));
  const auto entry = load_guest(machine->ram_->memory(), config);
  if (!entry) return Unexpected(entry.error());
  machine->entry_ = *entry;
  VIRIDIAN_TRY(check_host(config));

  auto vm = Vm::create(host.kvm);
  if (!vm) return Unexpected(vm.error());
  machine->vm_ = std::move(*vm);
  VIRIDIAN_TRY(machine->ram_->map_into(*machine->vm_));
  VIRIDIAN_TRY(machine->create_vcpus(host.kvm, config));
  VIRIDIAN_TRY(machine->create_board(host, config, console_event));
  VIRIDIAN_TRY(machine->write_firmware(config));
  return machine;
}

Machine::Machine() = default;

Machine::~Machine() {
  vcpus_.clear();  // their threads call everything else
}

Result<void> Machine::create_vcpus(const Kvm& kvm, const Config& config) {
  const auto supported = kvm.supported_cpuid();
  if (!supported) return Unexpected(supported.error());
  hyperv_features_ = hyperv_features(*supported, config.cpus, host_clock());
  for (unsigned index = 0; index < config.cpus; ++index) {
    auto vcpu = Vcpu::create(kvm, *vm_, index);
    if (!vcpu) return Unexpected(vcpu.error());
    auto cpuid = guest_cpuid(*supported, index, config.cpus);
    if (config.hyperv) {
      apply_hyperv_cpuid(cpuid, hyperv_features_);
    }
    VIRIDIAN_TRY((*vcpu)->set_cpuid(cpuid));
    VIRIDIAN_TRY((*vcpu)->set_msr(kMtrrDefaultType, kMtrrEnabledWriteBack));
    vcpus_.push_back(std::move(*vcpu));
  }
  auto sregs = vcpus_[0]->get_sregs();
  if (!sregs) return Unexpected(sregs.error());
  const kvm_regs regs = prepare_cpu(ram_->memory(), entry_, *sregs);
  return vcpus_[0]->set_state(regs, *sregs);
}

Result<void> Machine::create_board(const Host& host, const Config& config, int console_event) {
  ChipsetConfig chipset_config{
      .memory_bytes = config.memory_bytes, .console_event = console_event, .hyperv = std::nullopt};
  if (config.hyperv) {
    const auto tsc_khz = vcpus_[0]->tsc_khz();
    if (!tsc_khz) return Unexpected(tsc_khz.error());
    chipset_config.hyperv =
        HypervConfig{.features = hyperv_features_, .tsc = this, .tsc_hz = *tsc_khz * 1000};
  }
  const Board board{.vm = *vm_, .bus = bus_, .memory = ram_->memory(), .power = stop_};
  auto chipset = Chipset::create(board, chipset_config);
  if (!chipset) return Unexpected(chipset.error());
  chipset_ = std::move(*chipset);
  if (config.hyperv) {
    vmbus_ = std::make_unique<Vmbus>(host.devices, ram_->memory(), *chipset_);
  }
  auto storage = Storage::create(host.devices, board, *chipset_, vmbus_.get(), config);
  if (!storage) return Unexpected(storage.error());
  storage_ = std::move(*storage);
  if (config.nics.empty()) return {};
  auto nics = Nics::create(*host.network, board, chipset_->pci(), vmbus_.get(), config);
  if (!nics) return Unexpected(nics.error());
  nics_ = std::move(*nics);
  return {};
}

Result<void> Machine::write_firmware(const Config& config) {
  chipset_->pci().assign_resources();
  VIRIDIAN_TRY(write_acpi_tables(ram_->memory(), config.cpus));
  return write_smbios_tables(ram_->memory(),
                             {.memory_bytes = config.memory_bytes, .cpu_count = config.cpus});
}

uint64_t Machine::read_tsc(unsigned vp) noexcept {
  return vcpus_[vp]->get_msr(kTimeStampCounter).value_or(0);  // KVM always has it
}

void Machine::start() {
  const ExitHandlers handlers{
      .bus = bus_, .power = stop_, .msrs = chipset_->hyperv(), .hypercalls = chipset_->hyperv()};
  for (auto& vcpu : vcpus_)
    vcpu->start(handlers);
}

Result<void> Machine::finish() {
  for (auto& vcpu : vcpus_)
    vcpu->request_stop();
  for (auto& vcpu : vcpus_)
    vcpu->join();
  if (vmbus_) vmbus_->close();
  return storage_->finish();
}

Stats Machine::stats() const {
  Stats stats;
  std::vector<const VcpuCounters*> counters;
  for (const auto& vcpu : vcpus_)
    counters.push_back(&vcpu->counters());
  append_vcpu_stats(stats, counters);
  bus_.append_stats(stats);
  chipset_->append_stats(stats);
  storage_->append_stats(stats);
  if (nics_) nics_->append_stats(stats);
  return stats;
}

std::string Machine::failure() const {
  for (const auto& vcpu : vcpus_) {
    if (!vcpu->failure().empty()) return vcpu->failure();
  }
  return {};
}

}  // namespace viridian::vmm
