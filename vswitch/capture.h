// Copies of frames that a person wants to see, on their way from a switch to a file.
//
// The worker writes into a ring of bytes that one other thread empties; when the ring is full the
// frame is counted as missed, and the worker never waits. A port that nobody watches pays for one
// test for each burst.
#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/counter.h"
#include "vswitch/drop_reason.h"
#include "vswitch/frame.h"
#include "vswitch/mac_table.h"

namespace viridian::vswitch {

enum class CaptureEvent : uint8_t {
  kIn,       // came in by the port, before anything was judged
  kOut,      // was taken by the port
  kDropped,  // was dropped, and counted at the port
};

struct CaptureFilter {
  PortId port = kNoPort;  // kNoPort: all
  bool in = true;
  bool out = true;
  bool dropped = false;
  DropReason reason = DropReason::kNone;  // of those dropped; kNone: any
  uint32_t snap_bytes = kMaxFrameBytes + 4;
};

struct CapturedFrame {
  uint64_t time_ns;  // since 1970
  uint32_t frame_bytes;
  uint32_t captured_bytes;  // at most snap_bytes
  PortId port;
  CaptureEvent event;
  DropReason reason;
};

class Capture {
 public:
  // `ring_bytes`: a power of two, larger than one frame.
  explicit Capture(const CaptureFilter& filter, size_t ring_bytes = kCaptureRingBytes);

  const CaptureFilter& filter() const noexcept { return filter_; }
  bool wants(PortId port) const noexcept { return filter_.port == kNoPort || filter_.port == port; }

  // Worker's thread. The tag of the frame, if any, is put among its bytes.
  void see(PortId port, CaptureEvent event, DropReason reason, const rte_mbuf& frame) noexcept;

  // The reader's thread: the next frame, with its bytes. False: there is none now.
  bool take(CapturedFrame& frame, std::vector<std::byte>& bytes);
  uint64_t missed() const noexcept { return missed_.get(); }  // any thread

 private:
  void put(uint64_t at, const void* from, size_t bytes) noexcept;
  void get(uint64_t at, void* to, size_t bytes) const noexcept;

  CaptureFilter filter_;
  std::vector<std::byte> ring_;
  alignas(64) std::atomic<uint64_t> written_{0};
  alignas(64) std::atomic<uint64_t> read_{0};
  Counter missed_;
};

}  // namespace viridian::vswitch
