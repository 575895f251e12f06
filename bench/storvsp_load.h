// A guest that keeps a StorVSP disk busy with 4 KiB reads, in the thread that serves it: real
// rings, GPADLs and doorbells, a RAM disk behind. And the bare work that such a read cannot avoid,
// for comparison. Neither allocates, locks or makes a system call of its own while it runs.
#pragma once

#include <memory>
#include <vector>

#include "io/ram_disk.h"
#include "storvsp/storvsp.h"
#include "tests/fakes/fake_storvsc.h"
#include "vmbus/server.h"

namespace viridian::bench {

constexpr uint32_t kReadBytes = 4096;
constexpr uint64_t kDiskBytes = 64u << 20;

// What a run cost, beside time.
struct PathCounts {
  uint64_t requests = 0;
  uint64_t errors = 0;  // answers that were no success
  uint64_t allocations = 0;
  uint64_t locks = 0;
  uint64_t enters = 0;      // io_uring_enter by the reactor
  uint64_t doorbells = 0;   // eventfd writes by the guest
  uint64_t interrupts = 0;  // eventfd writes that a real host would do to wake the guest
};

// Where the reads go: the same for both sides, spread over the whole disk.
class Blocks {
 public:
  uint32_t next() {  // in units of kReadBytes
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_ % (kDiskBytes / kReadBytes);
  }

 private:
  uint32_t state_ = 2463534242;
};

class StorvspLoad {
 public:
  // kBusy: the guest's interrupt handler runs on, with the interrupt masked, while answers come,
  // as it does on a processor of its own. kSleepy: it drains the ring, unmasks and waits for the
  // next interrupt.
  enum class Guest : uint8_t { kBusy, kSleepy };

  explicit StorvspLoad(uint32_t depth);
  ~StorvspLoad();

  PathCounts run(uint64_t requests, Guest guest);

 private:
  void submit();
  void receive(PathCounts& counts);

  std::unique_ptr<io::Reactor> reactor_;
  io::RamDisk disk_;
  vmbus::FakeGuest guest_;
  storvsp::Controller controller_;
  vmbus::Server server_;
  std::unique_ptr<storvsp::FakeStorvsc> driver_;
  std::vector<uint64_t> pages_;  // one for each request under way
  std::vector<uint32_t> idle_;   // indices of requests that are not
  storvsp::SrbPacket packet_;
  Blocks blocks_;
};

// For each read: its bytes are copied from the disk's memory to the guest's, and a packet of the
// same size as StorVSP's goes through a ring each way.
class BareCopy {
 public:
  explicit BareCopy(uint32_t depth);
  uint64_t run(uint64_t requests);  // a number that depends on all the work

 private:
  uint32_t depth_;
  // Not a constant, so that the copy is the C library's, as the disk's is.
  size_t read_bytes_ = kReadBytes;
  std::unique_ptr<io::Reactor> reactor_;
  io::RamDisk disk_;
  vmbus::FakeGuest guest_;
  std::vector<uint64_t> pages_;
  std::vector<uint64_t> ring_pages_;
  Blocks blocks_;
};

}  // namespace viridian::bench
