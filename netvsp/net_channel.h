// One open channel of an adapter: the guest's packets with frames, and packets with frames for it.
//
// Sending (the guest's view): a packet holds a slot until every frame made of it is freed, since
// their payload is still in the guest's pages; then it is answered. Without a free slot or without
// memory for frames the packet stays in the guest's ring.
// Receiving: frames are copied into sections of the receive buffer and named together in one packet
// at the end of the burst. The guest gives the sections back by answering it, in any order, late or
// never: then its own frames are dropped, and nobody else's.
//
// Nothing here allocates, locks or makes a system call for a frame. The reactor's thread only.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <memory>
#include <vector>

#include "netvsp/frame_stash.h"
#include "netvsp/gathered.h"
#include "netvsp/limits.h"
#include "netvsp/nvsp_protocol.h"
#include "netvsp/receive_buffer.h"
#include "netvsp/sent_frame.h"
#include "vmbus/channel.h"

namespace viridian::netvsp {

class Adapter;

class NetChannel {
 public:
  NetChannel(Adapter& owner, vmbus::Channel& channel);

  vmbus::Channel& channel() noexcept { return channel_; }
  bool is_primary() const noexcept { return channel_.sub_channel_index() == 0; }

  // Handles what is no frame; stops at the first packet with frames.
  void doorbell() noexcept;
  void writable() noexcept;
  // Deletes this object through Adapter::forget() when no frame refers to the guest's pages.
  void close() noexcept;

  // The guest's frames: fills `frames` and returns how many.
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept;

  // Puts a frame into the next packet. False: no section, or the packet before is not out.
  bool deliver(const rte_mbuf& frame, uint32_t hash, bool with_hash) noexcept;
  // Sends the packet that deliver() filled.
  void publish() noexcept;

  // Asks for doorbells. False: there is something that receive() can take now.
  bool arm() noexcept;
  void disarm() noexcept { channel_.set_polling(true); }

  // One control message for the guest, in a section of its own. False: try again later.
  bool send_control(std::span<const std::byte> message) noexcept;

  // The receive buffer is gone: so are the packets that name its sections.
  void drop_packets() noexcept;
  // The channel is over, the receive buffer is not: its sections are free again.
  void return_sections() noexcept;

 private:
  // A packet's references are made at once, more than it can need: one locked instruction at its
  // end, and not one for each piece of a frame.
  static constexpr uint16_t kReferences = 0x4000;
  static_assert(kMaxFramesPerSend * (kMaxSendPieces + kMaxExtraPieces) < kReferences);
  struct Send {
    rte_mbuf_ext_shared_info shared;
    uint32_t references_used = 0;  // of those in `shared`: by pieces of frames
    NetChannel* owner = nullptr;
    uint64_t transaction_id = 0;
    uint32_t status = 0;
    bool wants_answer = false;
    size_t piece_count = 0;
    std::array<iovec, kMaxSendPieces> pieces;
  };
  // The packet that frames are taken from.
  struct Cursor {
    Send* send = nullptr;
    Gathered message;
    uint64_t at = 0;
    uint32_t frames = 0;

    bool at_end() const noexcept { return at >= message.bytes() || frames >= kMaxFramesPerSend; }
  };
  struct PacketOut {
    uint32_t first_section = kNone;
    uint32_t generation = 0;
    uint32_t next_free = kNone;
    bool is_out = false;
  };

  // What a packet of the guest is, and its message; kFrames and kControl need a slot.
  enum class Kind : uint8_t { kFrames, kControl, kNvsp, kCompletion, kBad };
  Kind kind_of(const vmbus::Packet& packet, Message& message) noexcept;
  // Handles the packet in front if it can be now: all of it, but for kFrames, which it puts under
  // the cursor. False: it stays in the ring.
  bool take_packet(const vmbus::Packet& packet, bool frames_too) noexcept;
  Send* begin_send(const vmbus::Packet& packet, const Message& message) noexcept;
  bool gather(Send& send, const vmbus::Packet& packet, const Message& message) noexcept;
  void take_control(Send& send) noexcept;
  void take_completion(const vmbus::Packet& packet) noexcept;

  rte_mbuf* next_frame(FrameStash& stash, bool& starved) noexcept;
  rte_mbuf* build_next(FrameStash& stash, uint32_t length, bool& starved) noexcept;
  void fail_send(Send& send, GuestError why) noexcept;
  static bool drop_references(Send& send) noexcept;
  void release(Send& send) noexcept;
  void ended(Send& send) noexcept;
  bool try_answer(Send& send) noexcept;

  bool send_packet(uint32_t channel_type, std::span<const vmbus::TransferRange> ranges,
                   uint32_t first_section) noexcept;

  Adapter& owner_;
  vmbus::Channel& channel_;

  std::unique_ptr<Send[]> sends_;
  std::vector<Send*> free_sends_;
  std::vector<Send*> unanswered_;  // ended, but the ring was full
  size_t sends_out_ = 0;
  Cursor cursor_;

  std::unique_ptr<PacketOut[]> packets_;
  uint32_t free_packet_ = kNone;
  std::array<vmbus::TransferRange, kMaxFramesPerPacket> staged_;
  uint32_t staged_count_ = 0;
  uint32_t staged_first_ = kNone;  // of the sections' list
  uint32_t staged_last_ = kNone;
  bool blocked_ = false;  // the staged packet found the ring full
  bool starved_ = false;  // a packet of the guest waits for a slot or for memory
  bool closing_ = false;
};

}  // namespace viridian::netvsp
