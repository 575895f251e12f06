// The synthetic interrupt controller in user space: message slots, event flags and their interrupts
// for each virtual processor. TLFS 11. It works on any KVM, since it asks for no more than
// SynicBackend: an interrupt to a vector, and doorbells.
//
// Registers are written by the vCPU they belong to; messages are posted on the reactor's thread;
// events are signalled from any. Left out: synthetic timers, auto-EOI (CPUID tells the guest), and
// delivery to SINTs other than VMBus's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/guest_errors.h"
#include "base/guest_memory.h"
#include "vmbus/host.h"
#include "vmm-minimal/counters.h"
#include "vmm-minimal/hyperv_spec.h"

namespace viridian::vmm {

// What the SynIC needs of the hypervisor below it.
class SynicBackend {
 public:
  virtual ~SynicBackend() = default;
  // From now on interrupts of `vp` arrive as `vector`; nothing: they are dropped. vCPU's thread.
  virtual void route(uint32_t vp, std::optional<uint8_t> vector) noexcept = 0;
  // Any thread, without a lock.
  virtual void interrupt(uint32_t vp) noexcept = 0;
  virtual Result<void> add_doorbell(uint32_t connection_id, int event_fd) = 0;
  virtual void remove_doorbell(uint32_t connection_id, int event_fd) noexcept = 0;
};

enum class SynicFault : uint8_t {
  kBadPage,    // SIMP or SIEFP enabled outside of memory
  kBadVector,  // SINT unmasked with a vector below 16
  kAutoEoi,    // SINT with auto-EOI, which CPUID says not to use
  kBadMsr,     // read or write of a register that does not allow it
  kNoSuchVp,   // a message or event for a vp or flag that does not exist
  kCount
};

class Synic final : public vmbus::Host {
 public:
  static constexpr uint32_t kMaxQueuedMessages = 64;  // for each vp
  static constexpr uint32_t kMaxDoorbells = 1024;
  // Called when a queue that had refused a message has room again, on any thread, no lock held.
  struct SpaceListener {
    void (*call)(void* context) noexcept = nullptr;
    void* context = nullptr;
  };

  Synic(const GuestMemory& memory, SynicBackend& backend, uint32_t vp_count);
  ~Synic() override;

  void set_space_listener(SpaceListener listener) { space_listener_ = listener; }

  // MSRs 40000080h to 4000009Fh. Nothing / false: the guest gets #GP.
  std::optional<uint64_t> read(uint32_t vp, uint32_t msr) noexcept;
  bool write(uint32_t vp, uint32_t msr, uint64_t value) noexcept;

  // vmbus::Host. A vp that does not exist, or whose SCONTROL is off, loses what is sent to it (and
  // counts it). Messages wait while SIMP is off or the SINT is masked.
  bool post_message(uint32_t vp, std::span<const std::byte> payload) noexcept override;
  void signal_event(uint32_t vp, uint32_t flag) noexcept override;
  Result<void> add_doorbell(uint32_t connection_id, int event_fd) override;
  void remove_doorbell(uint32_t connection_id, int event_fd) noexcept override;

  // HvSignalEvent that came to user space: rings the doorbell; false if there is none. Any thread.
  bool ring(uint32_t connection_id) noexcept;

  // Machine reset, with the vCPUs stopped. Doorbells belong to VMBus and stay.
  void reset() noexcept;

  const GuestErrors<SynicFault>& faults() const noexcept { return faults_; }
  void append_stats(Stats& stats) const;

 private:
  struct Vp;
  struct Doorbell {
    uint32_t connection_id;
    int event_fd;
  };

  std::byte* page_at(uint64_t reg) const noexcept;
  bool write_page(Vp& vp, uint64_t& reg, uint64_t value) noexcept;
  bool write_sint(Vp& vp, uint32_t msr, uint64_t value) noexcept;
  void update(Vp& vp) noexcept;
  bool deliver(Vp& vp) noexcept;
  bool drain(Vp& vp) noexcept;  // true: tell_space(), without the lock
  void tell_space() noexcept;
  void interrupt(Vp& vp) noexcept;

  const GuestMemory& memory_;
  SynicBackend& backend_;
  const uint32_t vp_count_;
  std::unique_ptr<Vp[]> vps_;
  SpaceListener space_listener_;
  std::mutex doorbell_mutex_;
  std::vector<Doorbell> doorbells_;
  GuestErrors<SynicFault> faults_;
};

}  // namespace viridian::vmm
