#include "vmm-minimal/kvm.h"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "vmm-minimal/kvm_list.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr uint32_t kSyntheticMsrBase = 0x4000'0000, kSyntheticMsrCount = 0x200;
constexpr size_t kMaxCpuidEntries = 256;

struct Need {
  unsigned long capability;
  int minimum;
  const char* name;
};
constexpr Need kNeeds[] = {
    {KVM_CAP_IRQCHIP, 1, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_PIT2, 1, "KVM_CAP_PIT2"},
    {KVM_CAP_USER_MEMORY, 1, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_EXT_CPUID, 1, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_IRQ_ROUTING, 64, "KVM_CAP_IRQ_ROUTING"},
    {KVM_CAP_IRQFD, 1, "KVM_CAP_IRQFD"},
    {KVM_CAP_IOEVENTFD, 1, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_SIGNAL_MSI, 1, "KVM_CAP_SIGNAL_MSI"},
    {KVM_CAP_IMMEDIATE_EXIT, 1, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_X86_USER_SPACE_MSR, 1, "KVM_CAP_X86_USER_SPACE_MSR"},
    {KVM_CAP_X86_MSR_FILTER, 1, "KVM_CAP_X86_MSR_FILTER"},
};

Unexpected open_failure(const char* path, int error) {
  switch (error) {
    case ENOENT:
      return fail(ErrorKind::kUnsupported,
                  "{}: does not exist; load the module kvm_intel or kvm_amd, and see that "
                  "virtualization is on in the firmware or, in a container, that the device is "
                  "passed in",
                  path);
    case EACCES:
    case EPERM:
      return fail(ErrorKind::kUnsupported,
                  "{}: permission denied; add your user to the group that owns it "
                  "(`sudo usermod -aG kvm $USER`, then log in again)",
                  path);
    default:
      return fail_errno(path, error);
  }
}

}  // namespace

Result<Kvm> Kvm::open(const char* path) {
  Kvm kvm;
  kvm.fd_ = UniqueFd(::open(path, O_RDWR | O_CLOEXEC));
  if (!kvm.fd_) return open_failure(path, errno);
  const int version = ::ioctl(kvm.fd(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    return fail(ErrorKind::kUnsupported, "{}: API version is {}, not {}; is it the KVM device?",
                path, version, KVM_API_VERSION);
  }
  for (const Need& need : kNeeds) {
    if (::ioctl(kvm.fd(), KVM_CHECK_EXTENSION, need.capability) < need.minimum) {
      return fail(ErrorKind::kUnsupported,
                  "{}: this kernel's KVM lacks {}; it needs an x86-64 host with Linux 5.10 or "
                  "later",
                  path, need.name);
    }
  }
  const int size = ::ioctl(kvm.fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < 0) return fail_errno("KVM_GET_VCPU_MMAP_SIZE", errno);
  kvm.run_size_ = static_cast<size_t>(size);
  return kvm;
}

Result<std::vector<kvm_cpuid_entry2>> Kvm::supported_cpuid() const {
  KvmList<kvm_cpuid_entry2> list(kMaxCpuidEntries);
  if (::ioctl(fd(), kKvmGetSupportedCpuid, list.head()) < 0) {
    return fail_errno("KVM_GET_SUPPORTED_CPUID", errno);
  }
  const auto filled = list.entries();  // as many as KVM says now
  return std::vector(filled.begin(), filled.end());
}

bool has_hardware_virtualization() {
  constexpr unsigned kVmx = 1u << 5, kSvm = 1u << 2;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kVmx) != 0) return true;
  return __get_cpuid(0x8000'0001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kSvm) != 0;
}

Result<std::unique_ptr<Vm>> Vm::create(const Kvm& kvm) {
  std::unique_ptr<Vm> vm(new Vm);
  int fd = -1;
  // A signal that is pending makes KVM_CREATE_VM end with EINTR.
  do {
    fd = ::ioctl(kvm.fd(), KVM_CREATE_VM, 0);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno("KVM_CREATE_VM", errno);
  vm->fd_ = UniqueFd(fd);
  VIRIDIAN_TRY(vm->set_up_chips());
  VIRIDIAN_TRY(vm->set_up_msr_filter());
  return vm;
}

Result<void> Vm::set_up_chips() {
  uint64_t identity_map = kKvmIdentityMap;
  if (::ioctl(fd(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0) {
    return fail_errno("KVM_SET_IDENTITY_MAP_ADDR", errno);
  }
  if (::ioctl(fd(), KVM_SET_TSS_ADDR, kKvmTss) < 0) return fail_errno("KVM_SET_TSS_ADDR", errno);
  if (::ioctl(fd(), KVM_CREATE_IRQCHIP, 0) < 0) return fail_errno("KVM_CREATE_IRQCHIP", errno);
  kvm_pit_config pit{};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;  // port 61h too
  if (::ioctl(fd(), KVM_CREATE_PIT2, &pit) < 0) return fail_errno("KVM_CREATE_PIT2", errno);

  auto add = [&](uint32_t gsi, uint32_t chip, uint32_t pin) {
    kvm_irq_routing_entry entry{};
    entry.gsi = gsi;
    entry.type = KVM_IRQ_ROUTING_IRQCHIP;
    entry.u.irqchip.irqchip = chip;
    entry.u.irqchip.pin = pin;
    routes_.push_back(entry);
  };
  for (uint32_t gsi = 0; gsi < kIoApicPins; ++gsi) {
    if (gsi == kTimerPin) continue;  // the PICs' cascade; the pin is the timer's
    if (gsi < 8) add(gsi, KVM_IRQCHIP_PIC_MASTER, gsi);
    if (gsi >= 8 && gsi < 16) add(gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - 8);
    add(gsi, KVM_IRQCHIP_IOAPIC, gsi == kTimerGsi ? kTimerPin : gsi);
  }
  next_gsi_ = kFirstMsiGsi;
  const std::lock_guard hold(routes_mutex_);
  return apply_routes();
}

Result<void> Vm::set_up_msr_filter() {
  kvm_enable_cap enable{};
  enable.cap = KVM_CAP_X86_USER_SPACE_MSR;
  enable.args[0] = KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN;
  if (::ioctl(fd(), KVM_ENABLE_CAP, &enable) < 0) {
    return fail_errno("KVM_ENABLE_CAP(KVM_CAP_X86_USER_SPACE_MSR)", errno);
  }
  std::array<uint8_t, kSyntheticMsrCount / 8> denied{};  // a clear bit: not KVM's to handle
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
  filter.ranges[0].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
  filter.ranges[0].base = kSyntheticMsrBase;
  filter.ranges[0].nmsrs = kSyntheticMsrCount;
  filter.ranges[0].bitmap = denied.data();
  if (::ioctl(fd(), KVM_X86_SET_MSR_FILTER, &filter) < 0) {
    return fail_errno("KVM_X86_SET_MSR_FILTER", errno);
  }
  return {};
}

Result<void> Vm::add_memory(uint64_t gpa, std::span<std::byte> bytes) {
  kvm_userspace_memory_region region{};
  region.slot = memory_slots_;
  region.guest_phys_addr = gpa;
  region.memory_size = bytes.size();
  // The interface takes the address as a number.
  region.userspace_addr = reinterpret_cast<uint64_t>(bytes.data());
  if (::ioctl(fd(), KVM_SET_USER_MEMORY_REGION, &region) < 0) {
    return fail_errno(
        fmt::format("KVM_SET_USER_MEMORY_REGION of {:#x} bytes at {:#x}", bytes.size(), gpa),
        errno);
  }
  ++memory_slots_;
  return {};
}

Result<void> Vm::apply_routes() {
  KvmList<kvm_irq_routing_entry> table(routes_.size());
  std::copy(routes_.begin(), routes_.end(), table.entries().begin());
  if (::ioctl(fd(), kKvmSetGsiRouting, table.head()) < 0) {
    return fail_errno("KVM_SET_GSI_ROUTING", errno);
  }
  return {};
}

Result<uint32_t> Vm::allocate_gsi() {
  const std::lock_guard hold(routes_mutex_);
  if (next_gsi_ == kFirstMsiGsi + kMaxMsiGsis) {
    return fail(ErrorKind::kUnsupported, "more than {} message-signalled interrupts", kMaxMsiGsis);
  }
  return next_gsi_++;
}

Result<void> Vm::route_msi(uint32_t gsi, uint64_t address, uint32_t data) {
  const std::lock_guard hold(routes_mutex_);
  std::erase_if(routes_, [&](const auto& entry) { return entry.gsi == gsi; });
  kvm_irq_routing_entry entry{};
  entry.gsi = gsi;
  entry.type = KVM_IRQ_ROUTING_MSI;
  entry.u.msi.address_lo = static_cast<uint32_t>(address);
  entry.u.msi.address_hi = static_cast<uint32_t>(address >> 32);
  entry.u.msi.data = data;
  routes_.push_back(entry);
  return apply_routes();
}

Result<void> Vm::unroute_msi(uint32_t gsi) {
  const std::lock_guard hold(routes_mutex_);
  if (std::erase_if(routes_, [&](const auto& entry) { return entry.gsi == gsi; }) == 0) return {};
  return apply_routes();
}

Result<void> Vm::add_irqfd(uint32_t gsi, int event_fd) {
  kvm_irqfd irqfd{};
  irqfd.fd = static_cast<uint32_t>(event_fd);
  irqfd.gsi = gsi;
  if (::ioctl(fd(), KVM_IRQFD, &irqfd) < 0) return fail_errno("KVM_IRQFD", errno);
  return {};
}

void Vm::remove_irqfd(uint32_t gsi, int event_fd) noexcept {
  kvm_irqfd irqfd{};
  irqfd.fd = static_cast<uint32_t>(event_fd);
  irqfd.gsi = gsi;
  irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
  ::ioctl(fd(), KVM_IRQFD, &irqfd);  // fails only if it was not there
}

bool Vm::signal_msi(uint64_t address, uint32_t data) const noexcept {
  kvm_msi msi{};
  msi.address_lo = static_cast<uint32_t>(address);
  msi.address_hi = static_cast<uint32_t>(address >> 32);
  msi.data = data;
  return ::ioctl(fd(), KVM_SIGNAL_MSI, &msi) > 0;
}

void Vm::set_irq_level(uint32_t gsi, bool asserted) const noexcept {
  kvm_irq_level level{};
  level.irq = gsi;
  level.level = asserted;
  ::ioctl(fd(), KVM_IRQ_LINE, &level);  // cannot fail with an in-kernel irqchip
}

int Vm::doorbell(uint64_t address, unsigned width, std::optional<uint64_t> match, int event_fd,
                 uint32_t flags) const noexcept {
  kvm_ioeventfd doorbell{};
  doorbell.addr = address;
  doorbell.len = width;
  doorbell.fd = event_fd;
  doorbell.flags = flags;
  if (match) {
    doorbell.datamatch = *match;
    doorbell.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  }
  return ::ioctl(fd(), KVM_IOEVENTFD, &doorbell) < 0 ? errno : 0;
}

Result<void> Vm::add_port_doorbell(uint16_t port, unsigned width, std::optional<uint64_t> match,
                                   int event_fd) {
  const int error = doorbell(port, width, match, event_fd, KVM_IOEVENTFD_FLAG_PIO);
  if (error != 0) return fail_errno(fmt::format("KVM_IOEVENTFD for port {:#x}", port), error);
  return {};
}

void Vm::remove_port_doorbell(uint16_t port, unsigned width, std::optional<uint64_t> match,
                              int event_fd) noexcept {
  doorbell(port, width, match, event_fd, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

Result<void> Vm::add_mmio_doorbell(uint64_t gpa, unsigned width, std::optional<uint64_t> match,
                                   int event_fd) {
  const int error = doorbell(gpa, width, match, event_fd, 0);
  if (error != 0) return fail_errno(fmt::format("KVM_IOEVENTFD for address {:#x}", gpa), error);
  return {};
}

void Vm::remove_mmio_doorbell(uint64_t gpa, unsigned width, std::optional<uint64_t> match,
                              int event_fd) noexcept {
  doorbell(gpa, width, match, event_fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

void IrqLine::set(bool asserted) noexcept {
  const std::lock_guard hold(mutex_);
  if (asserted == asserted_) return;
  asserted_ = asserted;
  if (asserted) rises_.fetch_add(1, std::memory_order_relaxed);
  vm_.set_irq_level(gsi_, asserted);
}

}  // namespace viridian::vmm
