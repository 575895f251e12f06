#include "vmm-minimal/vcpu.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "vmm-minimal/kvm_list.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

// Its handler does nothing: a signal makes KVM_RUN return with EINTR.
int kick_signal() { return SIGRTMIN; }

void install_kick_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(kick_signal(), &action, nullptr);
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (uint8_t byte : bytes)
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

constexpr const char* kCannotRun =
    "this machine's KVM cannot run this guest; use a host with hardware virtualization, or run "
    "inside a QEMU TCG machine (docs/guest-tests.md)";

}  // namespace

Result<std::unique_ptr<Vcpu>> Vcpu::create(const Kvm& kvm, const Vm& vm, unsigned index) {
  install_kick_handler();
  std::unique_ptr<Vcpu> vcpu(new Vcpu(index));
  vcpu->fd_ = UniqueFd(::ioctl(vm.fd(), KVM_CREATE_VCPU, index));
  if (!vcpu->fd_) return fail_errno(fmt::format("KVM_CREATE_VCPU {}", index), errno);
  void* shared =
      ::mmap(nullptr, kvm.run_size(), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd_.get(), 0);
  if (shared == MAP_FAILED) return fail_errno("mmap of kvm_run", errno);
  vcpu->run_ = static_cast<kvm_run*>(shared);
  vcpu->run_size_ = kvm.run_size();
  return vcpu;
}

Vcpu::~Vcpu() {
  request_stop();
  join();
  if (run_ != nullptr) ::munmap(run_, run_size_);
}

Result<void> Vcpu::set_cpuid(std::span<const kvm_cpuid_entry2> entries) {
  KvmList<kvm_cpuid_entry2> list(entries.size());
  std::copy(entries.begin(), entries.end(), list.entries().begin());
  if (::ioctl(fd_.get(), kKvmSetCpuid2, list.head()) < 0) {
    return fail_errno("KVM_SET_CPUID2", errno);
  }
  return {};
}

Result<void> Vcpu::set_msr(uint32_t msr, uint64_t value) {
  KvmList<kvm_msr_entry> list(1);
  list.entries()[0].index = msr;
  list.entries()[0].data = value;
  const int set = ::ioctl(fd_.get(), kKvmSetMsrs, list.head());
  if (set != 1) return fail_errno(fmt::format("KVM_SET_MSRS of {:#x}", msr), set < 0 ? errno : EIO);
  return {};
}

Result<uint64_t> Vcpu::get_msr(uint32_t msr) const {
  KvmList<kvm_msr_entry> list(1);
  list.entries()[0].index = msr;
  const int got = ::ioctl(fd_.get(), kKvmGetMsrs, list.head());
  if (got != 1) return fail_errno(fmt::format("KVM_GET_MSRS of {:#x}", msr), got < 0 ? errno : EIO);
  return list.entries()[0].data;
}

Result<kvm_sregs> Vcpu::get_sregs() const {
  kvm_sregs sregs{};
  if (::ioctl(fd_.get(), KVM_GET_SREGS, &sregs) < 0) return fail_errno("KVM_GET_SREGS", errno);
  return sregs;
}

Result<void> Vcpu::set_state(const kvm_regs& regs, const kvm_sregs& sregs) {
  if (::ioctl(fd_.get(), KVM_SET_SREGS, &sregs) < 0) return fail_errno("KVM_SET_SREGS", errno);
  if (::ioctl(fd_.get(), KVM_SET_REGS, &regs) < 0) return fail_errno("KVM_SET_REGS", errno);
  return {};
}

Result<uint64_t> Vcpu::tsc_khz() const {
  const int khz = ::ioctl(fd_.get(), KVM_GET_TSC_KHZ, 0);
  if (khz <= 0) return fail_errno("KVM_GET_TSC_KHZ", khz < 0 ? errno : EIO);
  return static_cast<uint64_t>(khz);
}

void Vcpu::start(const ExitHandlers& handlers) {
  thread_ = std::thread([this, handlers] {
    ::pthread_setname_np(::pthread_self(), fmt::format("vcpu {}", index_).c_str());
    run(handlers);
  });
}

void Vcpu::request_stop() noexcept {
  stop_.store(true, std::memory_order_relaxed);
  if (run_ == nullptr || !thread_.joinable()) return;
  // The flag ends a KVM_RUN that is about to begin, the signal one that is under way.
  __atomic_store_n(&run_->immediate_exit, uint8_t{1}, __ATOMIC_SEQ_CST);
  ::pthread_kill(thread_.native_handle(), kick_signal());
}

void Vcpu::join() {
  if (thread_.joinable()) thread_.join();
}

void Vcpu::run(const ExitHandlers& handlers) {
  first_entry_.store(std::chrono::steady_clock::now());
  while (!stop_.load(std::memory_order_relaxed)) {
    if (::ioctl(fd_.get(), KVM_RUN, 0) < 0) {
      const int error = errno;
      // EAGAIN: a processor that waits for its start was woken and not started.
      if (error == EINTR || error == EAGAIN) {
        counters_.exit(ExitKind::kInterrupted);
        continue;
      }
      give_up(handlers, StopReason::kKvmFailure,
              fmt::format("KVM_RUN: {}", ::strerrordesc_np(error)));
      return;
    }
    if (!handle_exit(handlers)) return;
  }
}

bool Vcpu::handle_exit(const ExitHandlers& handlers) {
  switch (run_->exit_reason) {
    case KVM_EXIT_IO:
      handle_port(handlers);
      return true;
    case KVM_EXIT_MMIO:
      handle_mmio(handlers);
      return true;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      handle_msr(handlers);
      return true;
    case KVM_EXIT_INTR:
      counters_.exit(ExitKind::kInterrupted);
      return true;
    case KVM_EXIT_SHUTDOWN:
      counters_.exit(ExitKind::kShutdown);
      return give_up(handlers, StopReason::kTripleFault, "the guest stopped by a triple fault");
    case KVM_EXIT_INTERNAL_ERROR:
      return give_up(handlers, StopReason::kKvmFailure, internal_error());
    case KVM_EXIT_FAIL_ENTRY:
      return give_up(handlers, StopReason::kKvmFailure,
                     fmt::format("KVM could not enter the guest (hardware reason {:#x}); {}",
                                 run_->fail_entry.hardware_entry_failure_reason, kCannotRun));
    default:
      counters_.exit(ExitKind::kOther);
      return give_up(handlers, StopReason::kKvmFailure,
                     fmt::format("KVM exit {} is not known here", run_->exit_reason));
  }
}

void Vcpu::handle_port(const ExitHandlers& handlers) {
  const auto& io = run_->io;
  const bool is_write = io.direction == KVM_EXIT_IO_OUT;
  auto* data = reinterpret_cast<std::byte*>(run_) + io.data_offset;  // the interface's offset
  const std::span<std::byte> bytes(data, size_t{io.size} * io.count);
  counters_.port(io.port, is_write);
  if (is_write) {
    counters_.exit(ExitKind::kPortOut);
    handlers.bus.port_write(io.port, io.size, bytes);
    return;
  }
  if (io.port == kHypercallPort && bytes.size() == 4 && handlers.hypercalls != nullptr) {
    counters_.exit(ExitKind::kHypercall);
    kvm_regs regs{};
    ::ioctl(fd_.get(), KVM_GET_REGS, &regs);  // cannot fail on a live vCPU
    const uint32_t status =
        handlers.hypercalls->hypercall(index_, {.rcx = regs.rcx, .rdx = regs.rdx, .r8 = regs.r8});
    std::memcpy(data, &status, sizeof(status));
    return;
  }
  counters_.exit(ExitKind::kPortIn);
  handlers.bus.port_read(io.port, io.size, bytes);
}

void Vcpu::handle_mmio(const ExitHandlers& handlers) {
  auto& mmio = run_->mmio;
  const auto bytes = std::as_writable_bytes(std::span(mmio.data)).first(mmio.len);
  if (mmio.is_write != 0) {
    counters_.exit(ExitKind::kMmioWrite);
    handlers.bus.mmio_write(mmio.phys_addr, bytes);
  } else {
    counters_.exit(ExitKind::kMmioRead);
    handlers.bus.mmio_read(mmio.phys_addr, bytes);
  }
}

void Vcpu::handle_msr(const ExitHandlers& handlers) {
  auto& msr = run_->msr;
  const bool is_write = run_->exit_reason == KVM_EXIT_X86_WRMSR;
  counters_.exit(is_write ? ExitKind::kMsrWrite : ExitKind::kMsrRead);
  counters_.msr(msr.index, is_write);
  msr.error = 1;  // #GP unless somebody knows it
  if (handlers.msrs == nullptr) return;
  if (is_write) {
    msr.error = handlers.msrs->msr_write(index_, msr.index, msr.data) ? 0 : 1;
  } else if (const auto value = handlers.msrs->msr_read(index_, msr.index)) {
    msr.data = *value;
    msr.error = 0;
  }
}

bool Vcpu::give_up(const ExitHandlers& handlers, StopReason reason, std::string what) {
  failure_ = fmt::format("vcpu {}: {}; {}", index_, what, place());
  handlers.power.stop(reason);
  return false;
}

std::string Vcpu::internal_error() const {
  const auto& internal = run_->internal;
  if (internal.suberror != KVM_INTERNAL_ERROR_EMULATION) {
    return fmt::format("KVM internal error {}; {}", internal.suberror, kCannotRun);
  }
  return fmt::format("KVM cannot emulate an instruction (internal error 1); {}", kCannotRun);
}

std::string Vcpu::place() const {
  kvm_regs regs{};
  kvm_sregs sregs{};
  if (::ioctl(fd_.get(), KVM_GET_REGS, &regs) < 0) return "registers unknown";
  ::ioctl(fd_.get(), KVM_GET_SREGS, &sregs);
  std::string text = fmt::format("at RIP {:#x} (CS base {:#x})", regs.rip, sregs.cs.base);
  // With KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES KVM says what it stumbled over.
  const auto& emulation = run_->emulation_failure;
  if (run_->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
      emulation.suberror == KVM_INTERNAL_ERROR_EMULATION && emulation.ndata >= 1 &&
      (emulation.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
    const size_t size = std::min<size_t>(emulation.insn_size, sizeof(emulation.insn_bytes));
    text += ", instruction bytes " + hex(std::span(emulation.insn_bytes).first(size));
  }
  return text;
}

}  // namespace viridian::vmm
