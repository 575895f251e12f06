// The hypervisor's face to the guest: partition-wide synthetic MSRs and hypercalls. TLFS 3 and F.
// SynIC registers go on to Synic, messages to whoever is the receiver (VMBus: vmbus_link.h). Exits
// arrive on the threads of the vCPUs, several at a time.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

#include "pci/port_io.h"
#include "vmm-minimal/exit_handlers.h"
#include "vmm-minimal/hyperv_cpuid.h"
#include "vmm-minimal/memory_map.h"
#include "vmm-minimal/synic.h"

namespace viridian::vmm {

// Reads the guest's TSC while `vp` is in an exit, on its thread.
class GuestTsc {
 public:
  virtual ~GuestTsc() = default;
  virtual uint64_t read_tsc(unsigned vp) noexcept = 0;
};

struct HypervConfig {
  HypervFeatures features;           // the same that CPUID was made of
  GuestTsc* tsc = nullptr;           // needed with features.reference_tsc
  uint64_t tsc_hz = 0;               // the guest's TSC: KVM_GET_TSC_KHZ * 1000
  uint64_t apic_hz = 1'000'000'000;  // the in-kernel local APIC's bus clock
};

enum class HypervFault : uint8_t {
  kUnknownMsr,
  kBadMsrValue,
  kBadHypercall,
  kUnknownDoorbell,
  kCount
};

// Also the device behind kSignalPort, where a fast HvSignalEvent ends that no ioeventfd took.
class Hyperv final : public MsrDevice, public HypercallDevice, public pci::PortDevice {
 public:
  // Gets the guest's HvPostMessage, on a vCPU's thread; returns the hypercall's status.
  struct Receiver {
    uint16_t (*call)(void* context, uint32_t connection_id,
                     std::span<const std::byte> payload) noexcept = nullptr;
    void* context = nullptr;
  };

  Hyperv(const GuestMemory& memory, Synic& synic, PowerControl& power, const HypervConfig& config);

  // Before the guest starts; without one, no connection id exists.
  void set_receiver(Receiver receiver) { receiver_ = receiver; }

  std::optional<uint64_t> msr_read(unsigned vp, uint32_t msr) noexcept override;
  bool msr_write(unsigned vp, uint32_t msr, uint64_t value) noexcept override;
  uint32_t hypercall(unsigned vp, const HypercallRegisters& registers) noexcept override;

  std::span<const pci::PortRange> port_ranges() const noexcept override;
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;

  // Machine reset, with the vCPUs stopped. Resets the Synic too.
  void reset() noexcept;
  void append_stats(Stats& stats) const;
  const GuestErrors<HypervFault>& faults() const noexcept { return faults_; }

 private:
  bool write_hypercall_page(uint64_t value) noexcept;
  bool write_reference_tsc(uint64_t value) noexcept;
  void report_crash(uint64_t control) noexcept;
  uint16_t post_message(Gpa input) noexcept;
  uint16_t signal_event(uint64_t input) noexcept;
  uint16_t bad_hypercall(uint16_t status) noexcept;

  const GuestMemory& memory_;
  Synic& synic_;
  PowerControl& power_;
  const HypervConfig config_;
  const uint64_t tsc_scale_;  // to 100 ns, as a fraction of 2^64
  Receiver receiver_;
  std::mutex mutex_;  // the registers below
  uint64_t guest_os_id_ = 0, hypercall_ = 0, reference_tsc_ = 0, tsc_invariant_ = 0;
  std::array<uint64_t, kMaxVcpus> vp_assist_{};
  std::array<uint64_t, hv::kCrashParameters> crash_{};
  pci::Gate gate_;
  std::atomic<uint64_t> crashes_{0}, posts_{0}, slow_signals_{0}, other_calls_{0},
      missed_doorbells_{0};
  GuestErrors<HypervFault> faults_;
};

}  // namespace viridian::vmm
