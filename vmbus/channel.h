// One open channel as its device sees it: packets from the guest, packets to the guest.
//
// Bound to the server's reactor: every member belongs to its thread. No member allocates, locks,
// blocks or makes a system call, but for the interrupt of a flush() that must wake the guest.
// Everything read from the rings is copied once and checked before the device sees it; a guest
// that breaks a ring loses this channel and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/guest_memory.h"
#include "io/event_source.h"
#include "vmbus/gpadl.h"
#include "vmbus/limits.h"
#include "vmbus/protocol.h"
#include "vmbus/ring.h"
#include "vmbus/ring_protocol.h"
#include "vmbus/version.h"

namespace viridian::vmbus {

class Device;
class ServerCore;
struct Offer;

// A packet of the guest, copied out of the ring. The spans live until consume().
struct Packet {
  uint16_t type =
      0;  // packet_type:: in ring_protocol.h: in-band, GPA-direct, completion; others legal
  bool completion_requested = false;
  uint64_t transaction_id = 0;
  std::span<const std::byte> payload;  // behind the descriptor and the ranges; padded to 8 bytes
  // GPA-direct: the guest memory that the packet describes, neighbours joined, in order. Lengths
  // are not zero and addresses do not wrap, but they may not be memory: GuestMemory::gather()
  // tells. Empty for other types.
  std::span<const GpaRange> ranges;
  uint64_t ranges_bytes = 0;  // the sum of their lengths
};

class Channel {
 public:
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  // --- receiving -------------------------------------------------------------------------------

  // The next packet, or null if there is none now (or the channel had its share of this round of
  // the reactor; Device::doorbell() is then called in the next). The same one until consume().
  const Packet* peek() noexcept;
  void consume() noexcept;  // REQUIRES: the last peek() was not null

  // Calls Device::doorbell() soon (never inside this call), whether the guest rings or not.
  void resume() noexcept;

  // While true the guest's doorbell stays masked also when the ring is empty, and the device
  // promises to look by itself (by resume(), or by peek() from a completion of its own): for a
  // device with requests under way, whose completions are a good time to look. Turning it
  // off leads to Device::doorbell() only if the ring is not empty: a device that does both in each
  // turn of the reactor does not keep it awake.
  void set_polling(bool polling) noexcept;

  // --- sending ---------------------------------------------------------------------------------
  // Each returns false if the ring is full now: keep the packet, Device::writable() will be called.
  // A channel that is closing or faulted swallows the packet and returns true.

  bool try_complete(uint64_t transaction_id, std::span<const std::byte> payload) noexcept;
  bool try_send(uint64_t transaction_id, std::span<const std::byte> payload,
                bool completion_requested) noexcept;
  // Data in `set_id`'s buffer at `ranges`, each {offset, length}.
  bool try_send_transfer_pages(uint64_t transaction_id, uint16_t set_id,
                               std::span<const TransferRange> ranges,
                               std::span<const std::byte> payload) noexcept;

  // Makes what was sent and consumed visible to the guest, and interrupts it if it sleeps. Once
  // for each batch; the server does it after doorbell() and writable().
  void flush() noexcept;

  // flush() in the reactor's next round: for completions that arrive one by one in one round.
  void flush_soon() noexcept;

  // --- the rest --------------------------------------------------------------------------------

  void close_complete() noexcept;  // see Device::close(); once for each close()

  // Asks the guest to open sub-channels 1 to `count`; REQUIRES: a primary channel that is open.
  // Returns how many are offered, at most the offer's max_sub_channels and what is left of the
  // relids; 0 if sub-channels are there already. They go when the primary channel closes. The
  // offers leave after what was sent here before, which is flushed.
  uint16_t offer_sub_channels(uint16_t count) noexcept;

  // A buffer of the guest, or null. Good until the channel closes or Device::gpadl_torn_down().
  const Gpadl* find_gpadl(uint32_t handle) const noexcept;

  uint32_t relid() const noexcept { return relid_; }
  uint16_t sub_channel_index() const noexcept { return sub_channel_index_; }  // 0: primary
  uint32_t target_vp() const noexcept { return target_vp_; }  // the guest may change it
  uint32_t protocol_version() const noexcept;                 // kVersion... of version.h
  bool is_faulted() const noexcept { return faulted_; }
  std::span<const std::byte, kUserDefinedBytes> open_data() const noexcept {  // of OPENCHANNEL
    return open_data_;
  }
  const GuestMemory& memory() const noexcept;
  io::Reactor& reactor() const noexcept;

  // The device's own, not touched by the channel; null when open() is called.
  void* context = nullptr;

 private:
  friend class ServerCore;

  enum class State : uint8_t { kClosed, kOpen, kClosing };
  struct Deferred : io::Completion {  // a call of the channel in the reactor's next round
    explicit Deferred(Channel& owner, Run callback) : io::Completion(callback), channel(owner) {}
    Channel& channel;
    bool queued = false;
  };

  Channel(ServerCore& server, uint32_t relid, uint16_t sub_channel_index);

  // The server's: from offer to release.
  Result<void> create_doorbell();
  void start(IncomingRing in, OutgoingRing out);  // peek() and the rest work from here
  void begin_close() noexcept;                    // the rings are not touched from here
  bool is_idle() const noexcept;                  // nothing of it is queued: may be destroyed

  void turn() noexcept;  // one round of the device: what a doorbell leads to
  void defer(Deferred& deferred) noexcept;
  void fault() noexcept;
  bool parse(uint32_t length) noexcept;
  bool parse_ranges(std::span<const std::byte> bytes) noexcept;
  bool parse_range(const GpaRangeHeader& header, std::span<const std::byte> pfns) noexcept;
  bool try_write(std::span<const std::span<const std::byte>> parts, uint32_t length) noexcept;

  ServerCore& server_;
  const uint32_t relid_;
  const uint16_t sub_channel_index_;

  // Open: the rings and the packet that was taken last.
  State state_ = State::kClosed;
  bool live_ = false;  // open and not faulted
  bool faulted_ = false;
  bool fault_told_ = false;
  bool drained_ = false;  // the last look found the ring empty
  bool polling_ = false;
  bool blocked_ = false;  // a packet of blocked_length_ found the outgoing ring full
  uint32_t blocked_length_ = 0;
  uint32_t packet_length_ = 0;  // 0: none is held
  uint32_t share_ = 0;          // packets left to hand out in this round
  uint32_t target_vp_ = 0;
  std::optional<IncomingRing> in_;
  std::optional<OutgoingRing> out_;
  Packet packet_;
  std::vector<std::byte> buffer_;
  std::vector<GpaRange> ranges_;
  std::array<std::byte, kUserDefinedBytes> open_data_{};
  std::unique_ptr<io::EventSource> doorbell_;
  Deferred turn_soon_;
  Deferred flush_soon_;
  Deferred finish_close_;

  // The server's book-keeping.
  Offer* offer_ = nullptr;  // null once the device is gone and only the guest's release is awaited
  Device* device_ = nullptr;
  bool offered_ = false;  // in this connection
  bool rescinded_ = false;
  bool released_ = false;  // by the guest, after the rescind
  uint32_t ring_gpadl_ = 0;
  std::vector<uint32_t> late_teardowns_;  // GPADLs to give back when the close is complete
};

}  // namespace viridian::vmbus
