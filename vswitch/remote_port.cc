#include "vswitch/remote_port.h"

#include <rte_mbuf.h>

#include <array>

namespace viridian::vswitch {

// A frame that others have too goes as a second header of the same bytes: its tag is the
// receiver's, and would be written by two threads. The number of the port is in the frame.
uint16_t RemotePort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  std::array<rte_mbuf*, kBurst> sent;
  uint16_t count = 0;
  for (rte_mbuf* frame : frames) {
    rte_mbuf* own = frame;
    if (rte_mbuf_refcnt_read(frame) != 1)
      own = pool_ == nullptr ? nullptr : rte_pktmbuf_clone(frame, pool_);
    if (own == nullptr) break;
    own->port = id_;
    sent[count++] = own;
  }
  const uint16_t taken = link_.send({sent.data(), count});
  // Of a frame and its second header, one is left: the frame is the caller's still if it was not
  // taken.
  for (uint16_t i = 0; i < count; ++i) {
    if (sent[i] != frames[i]) rte_pktmbuf_free(i < taken ? frames[i] : sent[i]);
  }
  return taken;
}

}  // namespace viridian::vswitch
