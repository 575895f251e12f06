// A guest with a NetVSP adapter that sends and takes frames as fast as its host can carry them: the
// hot path of Linux's hv_netvsc, over real rings, GPADLs, send and receive buffers and doorbells.
//
// Small frames are copied into a section of the send buffer, several RNDIS messages in one packet;
// large ones are named page by page (GPA-direct). Each frame ends in a number, so that the receiver
// sees what is lost, doubled or out of order. In the thread of the reactor; nothing is allocated
// after connect().
#pragma once

#include <memory>
#include <vector>

#include "netvsp/limits.h"
#include "netvsp/netvsp.h"
#include "tests/fakes/fake_netvsc.h"
#include "vmbus/server.h"

struct rte_mempool;

namespace viridian::bench {

using netvsp::Bytes;
using netvsp::MacAddress;

// What one guest sends: frames of one kind.
struct FrameKind {
  const char* name;
  uint32_t bytes;    // of Ethernet, without FCS
  bool tcp;          // with its checksum left to the host; else UDP without a checksum
  uint16_t segment;  // not zero: a large send, to be cut into segments of this many bytes
};

class NetvspGuest {
 public:
  NetvspGuest(io::Reactor& reactor, rte_mempool* pool, const MacAddress& mac);
  ~NetvspGuest();

  // Brings the driver up; a large frame comes in pieces of one packet (RSC). False: a step failed.
  bool connect();

  void set_frames(const FrameKind& kind, const MacAddress& to);
  // Sends until `frames` more than were answered are out, or no section or ring space is left.
  void send(uint32_t frames);
  // Takes all that the host has put into the ring, and gives it back.
  void receive();

  // Interrupts are masked while the guest is busy, as its handler does.
  void mask(bool masked) { driver_->channel().mask(masked); }

  netvsp::Adapter& adapter() { return adapter_; }
  const GuestMemory& memory() const { return guest_.memory(); }
  const MacAddress& mac() const { return adapter_.mac(); }

  uint64_t sent() const { return sent_; }
  uint64_t received() const { return received_; }
  uint64_t received_bytes() const { return received_bytes_; }
  uint64_t faults() const { return faults_; }  // refused, lost, doubled or broken frames
  uint64_t doorbells() { return driver_->channel().doorbells(); }
  uint64_t interrupts() const { return guest_.signals(); }

 private:
  struct Direct {  // the pages of one large frame, and the packet that names them
    std::vector<uint64_t> pfns;
    Bytes packet;
  };
  bool send_section();
  bool send_direct();
  void number(std::byte* at, uint64_t value);
  void take_answer(uint64_t id, const netvsp::Message& message);
  void take_frames(const vmbus::GuestPacket& packet);
  void check_number(uint32_t end);
  Direct make_direct() const;

  io::Reactor& reactor_;
  mutable vmbus::FakeGuest guest_;
  netvsp::Adapter adapter_;
  vmbus::Server server_;
  std::unique_ptr<netvsp::FakeNetvsc> driver_;

  Bytes message_;  // one frame with its RNDIS header, padded to 8 bytes
  uint32_t pad_bytes_ = 0;
  uint32_t frames_per_send_ = 1;
  bool direct_ = false;
  std::vector<uint32_t> free_;  // sections of the send buffer, or of direct_frames_
  std::vector<Direct> direct_frames_;
  std::array<std::byte, netvsp::kReceiveHeaderBytes> headers_{};  // of the frame that is looked at
  uint64_t in_flight_ = 0;                                        // packets
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  uint64_t received_bytes_ = 0;
  uint64_t faults_ = 0;
};

}  // namespace viridian::bench
