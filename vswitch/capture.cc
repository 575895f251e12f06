#include "vswitch/capture.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint32_t kAddressBytes = 12;

uint64_t wall_clock_ns() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

Capture::Capture(const CaptureFilter& filter, size_t ring_bytes)
    : filter_(filter), ring_(ring_bytes) {}

void Capture::put(uint64_t at, const void* from, size_t bytes) noexcept {
  const size_t begin = at & (ring_.size() - 1);
  const size_t first = std::min(bytes, ring_.size() - begin);
  std::memcpy(&ring_[begin], from, first);
  if (first < bytes)
    std::memcpy(ring_.data(), static_cast<const std::byte*>(from) + first, bytes - first);
}

void Capture::get(uint64_t at, void* to, size_t bytes) const noexcept {
  const size_t begin = at & (ring_.size() - 1);
  const size_t first = std::min(bytes, ring_.size() - begin);
  std::memcpy(to, &ring_[begin], first);
  if (first < bytes) std::memcpy(static_cast<std::byte*>(to) + first, ring_.data(), bytes - first);
}

void Capture::see(PortId port, CaptureEvent event, DropReason reason,
                  const rte_mbuf& frame) noexcept {
  if (!wants(port)) return;
  if (event == CaptureEvent::kIn && !filter_.in) return;
  if (event == CaptureEvent::kOut && !filter_.out) return;
  if (event == CaptureEvent::kDropped) {
    const bool wanted = filter_.reason == DropReason::kNone || filter_.reason == reason;
    if (!filter_.dropped || !wanted) return;
  }
  const bool tagged = has_tag(frame) && frame.data_len >= kAddressBytes;
  const uint32_t tag_bytes = tagged ? sizeof(VlanTag) : 0;
  CapturedFrame header = {};
  header.time_ns = wall_clock_ns();
  header.frame_bytes = frame.pkt_len + tag_bytes;
  header.captured_bytes = std::min(header.frame_bytes, filter_.snap_bytes);
  header.port = port;
  header.event = event;
  header.reason = reason;

  uint64_t at = written_.load(std::memory_order_relaxed);
  const uint64_t used = at - read_.load(std::memory_order_acquire);
  if (ring_.size() - used < sizeof(header) + header.captured_bytes) {
    missed_.add();
    return;
  }
  put(at, &header, sizeof(header));
  at += sizeof(header);
  uint32_t left = header.captured_bytes;
  const auto append = [&](const void* from, uint32_t bytes) {
    const uint32_t now = std::min(bytes, left);
    put(at, from, now);
    at += now;
    left -= now;
  };
  uint32_t skip = 0;
  if (tagged) {
    VlanTag tag;
    tag.type = kTagType;
    tag.control = frame.vlan_tci;
    append(rte_pktmbuf_mtod(&frame, const std::byte*), kAddressBytes);
    append(&tag, sizeof(tag));
    skip = kAddressBytes;
  }
  for (const rte_mbuf* part = &frame; part != nullptr && left > 0; part = part->next) {
    append(rte_pktmbuf_mtod(part, const std::byte*) + skip, part->data_len - skip);
    skip = 0;
  }
  written_.store(at, std::memory_order_release);
}

bool Capture::take(CapturedFrame& frame, std::vector<std::byte>& bytes) {
  uint64_t at = read_.load(std::memory_order_relaxed);
  if (at == written_.load(std::memory_order_acquire)) return false;
  get(at, &frame, sizeof(frame));
  at += sizeof(frame);
  bytes.resize(frame.captured_bytes);
  get(at, bytes.data(), bytes.size());
  read_.store(at + bytes.size(), std::memory_order_release);
  return true;
}

}  // namespace viridian::vswitch
