// One open channel of a controller: a fixed pool of requests between the guest's ring and the
// disks.
//
// A packet leaves the ring only when it gets a slot of the pool, and a slot is free again only when
// its answer is in the ring to the guest: so an empty pool and a full ring both push back on the
// guest, nothing grows, and every packet that was taken is answered once. Nothing here allocates,
// locks or makes a system call for a request.
//
// Doorbells: while much is under way, or was a moment ago, the channel looks for packets by itself
// and keeps the guest's doorbell masked (limits.h).
#pragma once

#include <memory>
#include <vector>

#include "storvsp/lun_map.h"
#include "storvsp/statistics.h"
#include "storvsp/storvsp_protocol.h"
#include "vmbus/channel.h"

namespace viridian::storvsp {

class Controller;

class StorChannel final : private io::Poller {
 public:
  StorChannel(Controller& owner, vmbus::Channel& channel);
  ~StorChannel() override;

  vmbus::Channel& channel() noexcept { return channel_; }
  bool is_primary() const noexcept { return channel_.sub_channel_index() == 0; }

  // As in vmbus::Device. After close() the channel deletes itself through Controller::forget().
  void doorbell() noexcept;
  void writable() noexcept;
  void close() noexcept;

  // Tells the guest to look for units that came or went, now or as soon as its ring has room.
  void announce() noexcept;

 private:
  struct Slot : ScsiRequest {
    StorChannel* owner = nullptr;
    Lun* lun = nullptr;
    uint64_t transaction_id = 0;
    SrbPacket packet;        // the guest's, and then the answer
    iovec* parts = nullptr;  // kMaxTransferPages of them
  };

  bool poll() noexcept override;
  unsigned take_packets() noexcept;
  void take(const vmbus::Packet& packet) noexcept;
  void execute(Slot& slot, const vmbus::Packet& packet) noexcept;
  bool prepare(Slot& slot, const vmbus::Packet& packet) noexcept;
  void ended(Slot& slot) noexcept;
  void fill_answer(Slot& slot) noexcept;
  void refuse(Slot& slot, uint8_t srb_status) noexcept;
  void answer(Slot& slot) noexcept;
  bool send(Slot& slot) noexcept;
  void start_polling() noexcept;
  void stop_polling() noexcept;
  void update_doorbell() noexcept;

  Controller& owner_;
  vmbus::Channel& channel_;
  io::Reactor& reactor_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<iovec[]> parts_;
  std::vector<Slot*> free_;    // room for all of them from the start
  std::vector<Slot*> unsent_;  // ended, but their answers did not fit into the ring
  uint32_t in_flight_ = 0;     // in a unit
  uint32_t empty_polls_ = 0;
  bool polling_ = false;   // attached to the reactor as a poller
  bool starved_ = false;   // the pool was empty: look again when a slot is free
  bool announce_ = false;  // an ENUMERATE_BUS waits for room in the ring
  bool closing_ = false;
};

}  // namespace viridian::storvsp
