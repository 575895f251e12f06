// What a vCPU's exits are handed to besides ports: synthetic MSRs, the hypercall page's slow path,
// and the wish to stop the machine. Implemented by the platform (Hyper-V, ACPI), called by Vcpu.
#pragma once

#include <cstdint>
#include <optional>

namespace viridian::vmm {

// MSRs that the MSR filter sends to user space, and those that KVM does not know.
// Called on the thread of vCPU `vp`; several vCPUs call at the same time.
class MsrDevice {
 public:
  virtual ~MsrDevice() = default;
  // Nothing / false: the guest gets #GP.
  virtual std::optional<uint64_t> msr_read(unsigned vp, uint32_t msr) noexcept = 0;
  virtual bool msr_write(unsigned vp, uint32_t msr, uint64_t value) noexcept = 0;
};

// The registers of a hypercall as the hypercall page leaves them for its IN instruction.
struct HypercallRegisters {
  uint64_t rcx, rdx, r8;
};

// An IN of four bytes from memory_map.h's kHypercallPort. Returns what the guest gets in EAX.
class HypercallDevice {
 public:
  virtual ~HypercallDevice() = default;
  virtual uint32_t hypercall(unsigned vp, const HypercallRegisters& registers) noexcept = 0;
};

enum class StopReason : uint8_t {
  kNone,
  kPowerOff,     // the guest switched itself off
  kReset,        // the guest asked for a reset
  kHostRequest,  // SIGINT, SIGTERM or Ctrl-A x
  kTripleFault,  // a vCPU stopped with a shutdown: the guest's kernel has crashed
  kGuestPanic,   // the guest reported a crash (Hyper-V crash MSRs)
  kKvmFailure,   // KVM could not go on; the message is in Vcpu
};

// Stops the machine. Any thread, also a vCPU's inside a device call; the first reason counts.
class PowerControl {
 public:
  virtual ~PowerControl() = default;
  virtual void stop(StopReason reason) noexcept = 0;
};

}  // namespace viridian::vmm
