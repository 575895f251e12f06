// The guest's end of an open channel, with the ring rules of Linux's drivers/hv/ring_buffer.c: when
// to ring the host, when to mask, what "full" means. For one guest thread; nothing is allocated
// after the opening, so that benchmarks may use it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vmbus/protocol.h"
#include "vmbus/ring.h"

namespace viridian::vmbus {

class FakeGuest;

// A packet from the host; the payload lives until the next receive().
struct GuestPacket {
  PacketDescriptor descriptor;
  std::span<const std::byte> header;  // between descriptor and payload: transfer pages
  std::span<const std::byte> payload;
};

class GuestChannel {
 public:
  // --- guest to host: false if the ring is full ------------------------------------------------
  bool send(uint64_t transaction_id, std::span<const std::byte> payload,
            bool completion_requested = true);
  // One GPA-direct range over `pfns`.
  bool send_gpa_direct(uint64_t transaction_id, uint32_t byte_offset, uint32_t byte_count,
                       std::span<const uint64_t> pfns, std::span<const std::byte> payload);
  // Any bytes as one packet with its trailer: `packet` is a multiple of 8.
  bool send_raw(std::span<const std::byte> packet);
  uint32_t free_bytes() const;

  // As Windows does when send() was false: asks to be interrupted when `length` bytes are free.
  void request_space(uint32_t length);
  bool space_requested() const;

  // --- host to guest ---------------------------------------------------------------------------
  // Copies the next packet out; null if there is none. Linux takes all it finds and then calls
  // end_receive(), which frees the space and rings the host if it waits for that.
  const GuestPacket* receive();
  void end_receive();
  void mask(bool masked);            // of interrupts by the host
  bool has_packets() const;          // what hv_end_read() looks at after it unmasked
  const GuestPacket* receive_one();  // receive() and end_receive()

  void close();  // CLOSECHANNEL and the teardown of the ring's GPADL, which is awaited

  // --- for tests that break rules --------------------------------------------------------------
  RingMemory& outgoing() { return out_; }
  RingMemory& incoming() { return in_; }
  void ring_host();

  uint32_t relid() const { return relid_; }
  uint32_t ring_gpadl() const { return gpadl_; }
  uint64_t doorbells() const { return doorbells_; }
  std::span<const uint64_t> ring_pfns() const { return pfns_; }

 private:
  friend class FakeGuest;
  GuestChannel(FakeGuest& guest, uint32_t relid, uint32_t gpadl, std::vector<uint64_t> pfns,
               RingMemory out, RingMemory in);

  bool write(std::span<const std::span<const std::byte>> parts);

  FakeGuest& guest_;
  uint32_t relid_;
  uint32_t gpadl_;
  std::vector<uint64_t> pfns_;
  RingMemory out_;
  RingMemory in_;
  int doorbell_fd_ = -1;
  uint32_t read_ = 0;
  uint64_t doorbells_ = 0;
  GuestPacket packet_;
  std::vector<std::byte> buffer_;
};

}  // namespace viridian::vmbus
