// A guest that drives a vmbus::Server as Linux's hv_vmbus does, over real guest memory: contact,
// offers, GPADLs, channels. It is the server's Host at the same time: a SynIC without a machine.
//
// Two ways to use it. In one thread (the default) every wait turns the reactor. With kOwnThread the
// guest's members are called by a thread of its own while another one runs the reactor; the Host's
// members come from there.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/guest_memory.h"
#include "io/reactor.h"
#include "tests/fakes/guest_channel.h"
#include "vmbus/host.h"
#include "vmbus/protocol.h"
#include "vmbus/server.h"

namespace viridian::vmbus {

class FakeGuest final : public Host {
 public:
  enum class Threads : uint8_t { kSame, kOwnThread };
  enum class Layout : uint8_t { kContiguous, kScattered };
  static constexpr uint32_t kVps = 4;

  // Two regions of memory: one at 0, one of the same size at 4 GiB.
  explicit FakeGuest(io::Reactor& reactor, Threads threads = Threads::kSame,
                     size_t region_bytes = 16u << 20);
  ~FakeGuest() override;

  void attach(Server& server) { server_ = &server; }
  const GuestMemory& memory() const { return memory_; }
  bool has_own_thread() const { return threads_ == Threads::kOwnThread; }
  std::byte* host_pointer(uint64_t pfn) const;  // to a page

  // Pages that nothing else uses. Scattered ones alternate between the regions, backwards.
  std::vector<uint64_t> alloc_pages(size_t count, Layout layout = Layout::kContiguous);

  // --- channel messages ------------------------------------------------------------------------
  bool contact(uint32_t version, uint32_t target_vp = 0);  // was the version accepted?
  uint32_t connect();  // from 5.3 down, as Linux: the version that was accepted, or 0
  std::vector<OfferChannel> request_offers();
  bool create_gpadl(uint32_t relid, uint32_t handle, std::span<const uint64_t> pfns,
                    uint32_t byte_offset, uint32_t byte_count);
  void tear_down_gpadl(uint32_t relid, uint32_t handle);
  // Null if the host said no. The ring sizes are in pages with their control page.
  std::unique_ptr<GuestChannel> open(uint32_t relid, uint32_t out_pages = 32,
                                     uint32_t in_pages = 32, uint32_t target_vp = 0,
                                     Layout layout = Layout::kContiguous);
  void unload();

  template <WireStruct Body>
  uint16_t post(uint32_t type, Body body) {
    body.header.type = type;
    return post_bytes(wire_bytes(body));
  }
  uint16_t post_bytes(std::span<const std::byte> message);
  // The oldest message of `type`, awaited; others stay. Nothing if none comes (one thread only).
  template <WireStruct Body>
  std::optional<Body> wait_for(uint32_t type) {
    const auto bytes = wait_for_bytes(type);
    return bytes ? read_wire<Body>(*bytes) : std::nullopt;
  }
  std::optional<std::vector<std::byte>> wait_for_bytes(uint32_t type);
  bool has_message(uint32_t type);  // after what the reactor has to do now

  void drop_messages();  // that nobody took

  // Lets the reactor do what it has to do. One thread only.
  void settle();
  uint32_t new_gpadl_handle() { return next_gpadl_++; }

  // --- SynIC -----------------------------------------------------------------------------------
  // Takes the event flag, as the interrupt handler does.
  bool take_event(uint32_t vp, uint32_t flag) { return events_[vp][flag].exchange(0) != 0; }
  uint64_t interrupts() const { return interrupts_; }  // flags that were clear when set
  uint64_t signals() const { return signals_; }        // calls of signal_event()
  void wait_interrupt(uint64_t seen) const { interrupts_.wait(seen); }
  void wake_waiters();
  // Messages that fit into the guest's queue before the host must wait.
  void set_message_capacity(size_t capacity);
  bool has_doorbell(uint32_t connection_id);
  void refuse_doorbells(bool refuse) { refuse_doorbells_ = refuse; }

  bool post_message(uint32_t vp, std::span<const std::byte> payload) noexcept override;
  void signal_event(uint32_t vp, uint32_t flag) noexcept override;
  Result<void> add_doorbell(uint32_t connection_id, int event_fd) override;
  void remove_doorbell(uint32_t connection_id, int event_fd) noexcept override;

  uint32_t message_vp() const { return message_vp_; }  // of the last message

 private:
  struct Space : io::Completion {
    FakeGuest* guest = nullptr;
    std::atomic<bool> queued{false};
  };
  std::optional<std::vector<std::byte>> take_message(uint32_t type);

  io::Reactor& reactor_;
  const Threads threads_;
  Server* server_ = nullptr;
  GuestMemory memory_;
  size_t region_bytes_;
  std::array<std::byte*, 2> regions_{};
  std::array<uint64_t, 2> next_page_{1, 0};  // page 0 is not used
  uint32_t message_connection_ = kMessageConnection;
  uint32_t next_gpadl_ = 0xE1E10;
  std::map<uint32_t, uint32_t> connections_;  // relid -> connection id
  bool refuse_doorbells_ = false;
  Space space_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::byte>> messages_;
  size_t message_capacity_ = 1024;
  bool host_waits_ = false;
  std::map<uint32_t, int> doorbells_;

  std::atomic<uint32_t> message_vp_{0};
  std::vector<std::array<std::atomic<uint8_t>, 2048>> events_;
  std::atomic<uint64_t> interrupts_{0};
  std::atomic<uint64_t> signals_{0};
};

}  // namespace viridian::vmbus
