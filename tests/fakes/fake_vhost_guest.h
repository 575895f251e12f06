// The front end of a vhost-user socket and the guest's driver behind it, in one: connects, agrees
// on features, shares memory, and drives a ring each way. It can also say what no honest one says.
//
// One thread at a time; it may be another one than the port's.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "io/unique_fd.h"
#include "tests/fakes/vhost_user_format.h"

namespace viridian::fakes {

constexpr uint64_t kVhostChecksum = 1U << 0, kVhostGuestChecksum = 1U << 1,
                   kVhostGuestTso = 1U << 7 | 1U << 8, kVhostHostTso = 1U << 11 | 1U << 12,
                   kVhostMergeable = 1U << 15;

struct VhostFrame {
  NetHeader header{};
  std::vector<uint8_t> bytes;
};

class FakeVhostGuest {
 public:
  static constexpr uint16_t kEntries = 256;
  static constexpr uint32_t kBufferBytes = 2048;

  FakeVhostGuest();
  ~FakeVhostGuest();
  FakeVhostGuest(const FakeVhostGuest&) = delete;
  FakeVhostGuest& operator=(const FakeVhostGuest&) = delete;

  // Waits until somebody listens there; false: nobody did.
  bool connect(const std::string& path);
  // As a server of the socket, for a back end that connects.
  bool listen(const std::string& path);
  bool accept();
  void hang_up() { socket_.reset(); }  // as if it was killed

  // Agrees on these features, shares the memory, and starts both rings. `bell`: instead of an event
  // of its own that it rings when it has sent.
  void start(uint64_t features, int bell = -1);
  void set_up_ring(uint32_t index, int bell = -1);
  void share_memory(uint64_t more_bytes = 0);  // more: that nobody uses
  void enable(bool on);
  void stop();  // both rings: as when the guest restarts

  // Single messages. They return false when the other end has hung up.
  bool send_bytes(uint32_t request, const void* payload, uint32_t bytes, int fd = -1);
  template <class T>
  bool send(uint32_t request, const T& payload, int fd = -1) {
    return send_bytes(request, &payload, sizeof(payload), fd);
  }
  // The payload of an answer; zero if the other end has hung up.
  uint64_t ask(uint32_t request, uint64_t payload = 0);
  bool hung_up();  // by the other end; waits for it

  // Into the guest's send ring, in as many buffers as it takes; rings if it is asked to.
  void give(const std::vector<uint8_t>& frame, const NetHeader& header = {});
  void kick() const;
  bool wants_kick() const;
  bool sent_all() const;  // the other end has taken all that was given

  // Buffers for `count` frames of one buffer to come.
  void offer(uint16_t count);
  // The next frame; false: there is none yet.
  bool take(VhostFrame& frame);

  uint16_t offered() const { return rings_[0].offered; }
  int kick_event(uint32_t index) const { return rings_[index].kick.get(); }

 private:
  struct Ring {
    size_t base = 0;       // of its structures in the memory
    size_t buffers = 0;    // of its buffers
    uint16_t offered = 0;  // as in the available ring's index
    uint16_t seen = 0;     // of the used ring
    UniqueFd kick, call;
  };
  template <class T>
  T* at(size_t offset) const {
    return reinterpret_cast<T*>(memory_ + offset);
  }
  size_t descriptors(const Ring& ring) const { return ring.base; }
  size_t available(const Ring& ring) const { return ring.base + 16U * kEntries; }
  size_t used(const Ring& ring) const { return ring.base + 20U * kEntries + 64; }
  uint16_t used_index(const Ring& ring) const;
  void publish(Ring& ring, uint16_t head);

  UniqueFd listener_;
  UniqueFd socket_;
  UniqueFd memory_fd_;
  uint8_t* memory_ = nullptr;
  std::array<Ring, 2> rings_;
};

}  // namespace viridian::fakes
