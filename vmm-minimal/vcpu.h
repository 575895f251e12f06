// One virtual processor: a thread that enters the guest and answers its exits until it is stopped.
//
// HLT, the local APIC and INIT/SIPI are KVM's (in-kernel irqchip), so a processor other than the
// first waits in the kernel until the guest starts it. What cannot be answered stops the machine
// with a line for a person, in failure(): it never hangs and never guesses.
#pragma once

#include <linux/kvm.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "io/unique_fd.h"
#include "vmm-minimal/counters.h"
#include "vmm-minimal/exit_handlers.h"
#include "vmm-minimal/io_bus.h"
#include "vmm-minimal/kvm.h"

namespace viridian::vmm {

// Who answers what. All outlive the vCPUs; without an MSR or hypercall device the guest gets #GP
// for unknown MSRs and ones for the port.
struct ExitHandlers {
  IoBus& bus;
  PowerControl& power;
  MsrDevice* msrs = nullptr;
  HypercallDevice* hypercalls = nullptr;
};

class Vcpu {
 public:
  static Result<std::unique_ptr<Vcpu>> create(const Kvm& kvm, const Vm& vm, unsigned index);
  ~Vcpu();

  // Set-up, before start().
  Result<void> set_cpuid(std::span<const kvm_cpuid_entry2> entries);
  Result<void> set_msr(uint32_t msr, uint64_t value);
  Result<kvm_sregs> get_sregs() const;
  Result<void> set_state(const kvm_regs& regs, const kvm_sregs& sregs);
  Result<uint64_t> tsc_khz() const;

  // The guest's MSR as it is now: before start(), or on the vCPU's thread in an exit.
  Result<uint64_t> get_msr(uint32_t msr) const;

  void start(const ExitHandlers& handlers);

  // Any thread: asks the vCPU's thread to end. join() then waits for it.
  void request_stop() noexcept;
  void join();

  unsigned index() const { return index_; }
  const VcpuCounters& counters() const { return counters_; }

  // After join(): why the guest could not go on, or empty.
  const std::string& failure() const { return failure_; }

  // When the guest was entered first; the epoch if it never was.
  std::chrono::steady_clock::time_point first_entry() const { return first_entry_.load(); }

 private:
  explicit Vcpu(unsigned index) : index_(index) {}
  void run(const ExitHandlers& handlers);
  bool handle_exit(const ExitHandlers& handlers);  // false: this vCPU is done
  void handle_port(const ExitHandlers& handlers);
  void handle_mmio(const ExitHandlers& handlers);
  void handle_msr(const ExitHandlers& handlers);
  bool give_up(const ExitHandlers& handlers, StopReason reason, std::string what);
  std::string place() const;  // RIP and the bytes of the instruction there
  std::string internal_error() const;

  unsigned index_;
  UniqueFd fd_;
  kvm_run* run_ = nullptr;  // shared with the kernel
  size_t run_size_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<std::chrono::steady_clock::time_point> first_entry_{};
  VcpuCounters counters_;
  std::string failure_;
  std::thread thread_;
};

}  // namespace viridian::vmm
