#include "vswitch/remote_port.h"

#include "vswitch/owned_burst.h"

namespace viridian::vswitch {

// A frame that others have too goes as a second header of the same bytes: its tag is the
// receiver's, and would be written by two threads. The number of the port is in the frame.
uint16_t RemotePort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  return transmit_owned(
      frames,
      [this](rte_mbuf& frame) {
        rte_mbuf* own = &frame;
        if (rte_mbuf_refcnt_read(own) != 1)
          own = pool_ == nullptr ? nullptr : rte_pktmbuf_clone(own, pool_);
        if (own != nullptr) own->port = id_;
        return own;
      },
      [this](std::span<rte_mbuf* const> burst) { return link_.send(burst); });
}

}  // namespace viridian::vswitch
