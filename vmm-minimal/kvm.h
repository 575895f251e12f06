// /dev/kvm and one virtual machine: thin owners of the file descriptors, one member for each thing
// this project asks of KVM. Documented in the kernel's Documentation/virt/kvm/api.rst.
// Set-up members are called before the vCPUs run; those marked "any thread" at any time.
#pragma once

#include <linux/kvm.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "io/unique_fd.h"
#include "pci/interrupt_line.h"

namespace viridian::vmm {

class Kvm {
 public:
  // Checks access, the API version and every capability the VMM needs; the error of a failure
  // says which one and what to do.
  static Result<Kvm> open(const char* path = "/dev/kvm");

  int fd() const { return fd_.get(); }
  size_t run_size() const { return run_size_; }  // of a vCPU's shared kvm_run
  Result<std::vector<kvm_cpuid_entry2>> supported_cpuid() const;

 private:
  UniqueFd fd_;
  size_t run_size_ = 0;
};

// True if this processor offers VMX or SVM. Where it does not, a KVM that is there all the same
// (PVM) interprets what an ordinary kernel does in ring 0.
bool has_hardware_virtualization();

class Vm {
 public:
  // A VM with in-kernel interrupt controllers and timer, the routing table of memory_map.h, and
  // the synthetic MSRs 40000000h-400001FFh sent to user space.
  static Result<std::unique_ptr<Vm>> create(const Kvm& kvm);

  int fd() const { return fd_.get(); }

  // Maps `bytes` at `gpa`; the slot is the number of calls before.
  Result<void> add_memory(uint64_t gpa, std::span<std::byte> bytes);

  // A GSI of its own for a message-signalled interrupt, silent until routed.
  Result<uint32_t> allocate_gsi();
  // Any thread. Messages written from now on to `gsi`'s irqfd go to (address, data).
  Result<void> route_msi(uint32_t gsi, uint64_t address, uint32_t data);
  Result<void> unroute_msi(uint32_t gsi);
  // A write to `event_fd` raises `gsi` (an edge, or one message) without user space.
  Result<void> add_irqfd(uint32_t gsi, int event_fd);
  void remove_irqfd(uint32_t gsi, int event_fd) noexcept;
  // Any thread. True if the message was delivered.
  bool signal_msi(uint64_t address, uint32_t data) const noexcept;
  // Any thread.
  void set_irq_level(uint32_t gsi, bool asserted) const noexcept;

  // A guest's OUT of `width` bytes to `port` (of the value `match`, if given) writes `event_fd`
  // without an exit to user space. Any thread.
  Result<void> add_port_doorbell(uint16_t port, unsigned width, std::optional<uint64_t> match,
                                 int event_fd);
  void remove_port_doorbell(uint16_t port, unsigned width, std::optional<uint64_t> match,
                            int event_fd) noexcept;
  // The same for a write of `width` bytes to guest physical address `gpa`; 0: any width.
  Result<void> add_mmio_doorbell(uint64_t gpa, unsigned width, std::optional<uint64_t> match,
                                 int event_fd);
  void remove_mmio_doorbell(uint64_t gpa, unsigned width, std::optional<uint64_t> match,
                            int event_fd) noexcept;

 private:
  Vm() = default;
  Result<void> set_up_chips();
  Result<void> set_up_msr_filter();
  Result<void> apply_routes();  // with routes_mutex_ held
  int doorbell(uint64_t address, unsigned width, std::optional<uint64_t> match, int event_fd,
               uint32_t flags) const noexcept;

  UniqueFd fd_;
  uint32_t memory_slots_ = 0;
  uint32_t next_gsi_ = 0;
  std::mutex routes_mutex_;
  std::vector<kvm_irq_routing_entry> routes_;
};

// A level-triggered input of the in-kernel interrupt controllers.
class IrqLine final : public pci::InterruptLine {
 public:
  IrqLine(const Vm& vm, uint32_t gsi) : vm_(vm), gsi_(gsi) {}
  void set(bool asserted) noexcept override;  // any thread
  uint64_t rises() const noexcept { return rises_.load(std::memory_order_relaxed); }

 private:
  const Vm& vm_;
  uint32_t gsi_;
  std::mutex mutex_;  // keeps the order of two threads' levels the order KVM sees
  bool asserted_ = false;
  std::atomic<uint64_t> rises_{0};
};

}  // namespace viridian::vmm
