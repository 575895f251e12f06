// What must be said of frames between the switch and rte_vhost: how checksums and segmentation,
// which frame.h says as for transmission, are said there. Worker's thread only.
#pragma once

#include "vswitch/frame.h"

struct rte_mempool;

namespace viridian::vswitch {

// Of a frame that rte_vhost brought with RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS: what is still
// undone. What it cannot tell is left to the switch to refuse.
void take_vhost_offloads(rte_mbuf& frame) noexcept;

// A frame with a tag or an offload, for the time of rte_vhost_enqueue_burst(): an mbuf with a copy
// of the addresses, and the tag, before the frame itself. rte_vhost writes a pseudo header's sum
// into frames whose headers are all in the first segment; it has no length for large ones (which a
// guest that sends them on needs), and the frame may be others' too. Here it finds nothing to
// write. Null: no memory. drop_vhost_head() makes the frame again what it was.
rte_mbuf* add_vhost_head(rte_mbuf& frame, rte_mempool* pool) noexcept;
void drop_vhost_head(rte_mbuf& head) noexcept;

}  // namespace viridian::vswitch
