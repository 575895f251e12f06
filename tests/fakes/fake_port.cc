#include "tests/fakes/fake_port.h"

#include <algorithm>
#include <cstring>

namespace viridian::fakes {

PlainFrame ethernet(const vswitch::MacAddress& destination, const vswitch::MacAddress& source,
                    uint16_t ethertype, const std::vector<uint8_t>& payload) {
  PlainFrame frame;
  frame.bytes.insert(frame.bytes.end(), destination.bytes.begin(), destination.bytes.end());
  frame.bytes.insert(frame.bytes.end(), source.bytes.begin(), source.bytes.end());
  frame.bytes.push_back(static_cast<uint8_t>(ethertype >> 8));
  frame.bytes.push_back(static_cast<uint8_t>(ethertype));
  frame.bytes.insert(frame.bytes.end(), payload.begin(), payload.end());
  frame.bytes.resize(std::max<size_t>(frame.bytes.size(), vswitch::kMinFrameBytes));
  return frame;
}

rte_mbuf* to_mbuf(const PlainFrame& plain, rte_mempool* pool, uint16_t segment_bytes) {
  rte_mbuf* first = rte_pktmbuf_alloc(pool);
  if (first == nullptr) return nullptr;
  rte_mbuf* last = first;
  for (size_t at = 0; at < plain.bytes.size();) {
    const size_t room = std::min<size_t>(segment_bytes, rte_pktmbuf_tailroom(last));
    const auto length = static_cast<uint16_t>(std::min(plain.bytes.size() - at, room));
    std::memcpy(rte_pktmbuf_mtod(last, uint8_t*), plain.bytes.data() + at, length);
    last->data_len = length;
    at += length;
    if (at == plain.bytes.size()) break;
    last->next = rte_pktmbuf_alloc(pool);
    if (last->next == nullptr) {
      rte_pktmbuf_free(first);
      return nullptr;
    }
    last = last->next;
    ++first->nb_segs;
  }
  first->pkt_len = static_cast<uint32_t>(plain.bytes.size());
  first->ol_flags = plain.flags;
  first->l2_len = plain.l2_bytes & 0x7F;
  first->l3_len = plain.l3_bytes & 0x1FF;
  first->l4_len = plain.l4_bytes & 0xFF;
  first->tso_segsz = plain.segment_bytes;
  if (plain.tag) {
    first->ol_flags |= vswitch::kFrameVlan;
    first->vlan_tci = *plain.tag;
  }
  return first;
}

PlainFrame to_plain(const rte_mbuf& frame) {
  PlainFrame plain;
  for (const rte_mbuf* part = &frame; part != nullptr; part = part->next) {
    const auto* data = rte_pktmbuf_mtod(part, const uint8_t*);
    plain.bytes.insert(plain.bytes.end(), data, data + part->data_len);
  }
  if ((frame.ol_flags & vswitch::kFrameVlan) != 0) plain.tag = frame.vlan_tci;
  plain.flags = frame.ol_flags & ~vswitch::kFrameVlan;
  plain.l2_bytes = frame.l2_len;
  plain.l3_bytes = frame.l3_len;
  plain.l4_bytes = frame.l4_len;
  plain.segment_bytes = frame.tso_segsz;
  return plain;
}

FakePort::~FakePort() {
  for (rte_mbuf* frame : coming_)
    rte_pktmbuf_free(frame);
}

uint16_t FakePort::receive(std::span<rte_mbuf*> frames) noexcept {
  const size_t count = std::min(frames.size(), coming_.size());
  for (size_t i = 0; i < count; ++i) {
    frames[i] = coming_.front();
    coming_.pop_front();
  }
  return static_cast<uint16_t>(count);
}

uint16_t FakePort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  ++transmits;
  const size_t count = std::min(frames.size(), room);
  room -= count;
  for (rte_mbuf* frame : frames.first(count)) {
    taken_.push_back(to_plain(*frame));
    if (features_.takes_frames) rte_pktmbuf_free(frame);
  }
  return static_cast<uint16_t>(count);
}

}  // namespace viridian::fakes
