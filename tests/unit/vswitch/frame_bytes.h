// Frames as plain bytes, for ports whose other end is not ours.
#pragma once

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstring>
#include <vector>

#include "vswitch/switch_port.h"

namespace viridian::vswitch {

using Bytes = std::vector<uint8_t>;

inline Bytes numbered_frame(size_t size) {
  Bytes frame(size);
  for (size_t i = 0; i < size; ++i)
    frame[i] = static_cast<uint8_t>(i * 3 + i / 256);
  frame[0] = 2;
  frame[12] = 0x88;
  frame[13] = 0xB5;
  return frame;
}

inline Bytes bytes_of(const rte_mbuf& frame) {
  Bytes bytes(frame.pkt_len);
  const void* read = rte_pktmbuf_read(&frame, 0, frame.pkt_len, bytes.data());
  if (read != bytes.data()) std::memcpy(bytes.data(), read, bytes.size());
  return bytes;
}

// The next frame of numbered_frame()'s kind; others, of the host's stack, are thrown away.
inline Bytes take_from(SwitchPort& port, uint64_t* flags = nullptr, uint16_t* tag = nullptr) {
  rte_mbuf* frame = nullptr;
  while (port.receive({&frame, 1}) == 1) {
    const Bytes bytes = bytes_of(*frame);
    if (flags != nullptr) *flags = frame->ol_flags;
    if (tag != nullptr) *tag = frame->vlan_tci;
    rte_pktmbuf_free(frame);
    if (bytes[12] == 0x88) return bytes;
  }
  return {};
}

inline rte_mbuf* mbuf_of(rte_mempool* pool, const Bytes& bytes) {
  rte_mbuf* frame = rte_pktmbuf_alloc(pool);
  if (frame == nullptr) return nullptr;
  std::memcpy(rte_pktmbuf_append(frame, static_cast<uint16_t>(bytes.size())), bytes.data(),
              bytes.size());
  return frame;
}

// Gives a frame of at most one segment to the port.
inline bool give_to(SwitchPort& port, rte_mempool* pool, const Bytes& bytes, uint64_t flags = 0,
                    uint16_t tag = 0) {
  rte_mbuf* frame = mbuf_of(pool, bytes);
  frame->ol_flags = flags;
  frame->vlan_tci = tag;
  const bool taken = port.transmit({&frame, 1}) == 1;
  if (!taken || !port.features().takes_frames) rte_pktmbuf_free(frame);
  return taken;
}

}  // namespace viridian::vswitch
