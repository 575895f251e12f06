// Frames of the kernel's interfaces: what TAP interfaces and packet sockets share. A frame there
// has a virtio header before it (virtio_header.h), which says what of frame.h is still undone, and
// its VLAN tag, if any, among its bytes or beside it.
//
// Worker's thread only. Nothing here allocates but the constructor of FrameRoom.
#pragma once

#include <rte_mempool.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/frame.h"
#include "vswitch/virtio_header.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {

// Says in `frame` what the header says. False: the header does not fit the frame.
bool take_virtio_header(const VirtioHeader& header, rte_mbuf& frame) noexcept;

// `tag_bytes`: of the tag that is written into the frame before its offsets count.
VirtioHeader make_virtio_header(const rte_mbuf& frame, uint32_t tag_bytes) noexcept;

// Room for one frame of any size that is yet to come: a header and a chain of segments.
class FrameRoom {
 public:
  explicit FrameRoom(rte_mempool* pool);
  ~FrameRoom();
  FrameRoom(const FrameRoom&) = delete;
  FrameRoom& operator=(const FrameRoom&) = delete;

  bool refill() noexcept;  // false: the pool is empty
  std::span<iovec> parts() noexcept { return parts_; }

  // The frame that `bytes`, header included, were read of. Null if it breaks its header.
  rte_mbuf* take(size_t bytes) noexcept;

 private:
  rte_mempool* pool_;
  std::vector<rte_mbuf*> spare_;
  std::vector<iovec> parts_;
  VirtioHeader header_{};
};

// A frame that is yet to be written: pieces of it, with the header and the tag among them. It must
// stay where it is while the pieces are used.
class FramePieces {
 public:
  static constexpr uint32_t kMaxSegments = 64;

  // False: the frame has too many segments.
  bool set(const rte_mbuf& frame) noexcept;
  std::span<iovec> parts() noexcept { return {parts_.data(), count_}; }

 private:
  std::array<iovec, kMaxSegments + 3> parts_;
  size_t count_ = 0;
  VirtioHeader header_{};
  VlanTag tag_{};
};

}  // namespace viridian::vswitch
