#include "bench/vswitch_load.h"

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include <algorithm>
#include <cstring>

namespace viridian::bench {

void EndlessPort::set_patterns(std::vector<Pattern> patterns) {
  patterns_ = std::move(patterns);
  next_ = 0;
}

vswitch::PortFeatures EndlessPort::features() const noexcept {
  return {.checksum = true, .segmentation = true, .mtu = vswitch::kMaxMtu};
}

uint16_t EndlessPort::receive(std::span<rte_mbuf*> frames) noexcept {
  if (patterns_.empty()) return 0;
  const auto count = static_cast<uint16_t>(std::min<size_t>(frames.size(), vswitch::kBurst));
  if (rte_pktmbuf_alloc_bulk(pool_, frames.data(), count) != 0) return 0;
  for (rte_mbuf* frame : frames.first(count)) {
    const Pattern& pattern = patterns_[next_];
    if (++next_ == patterns_.size()) next_ = 0;
    rte_memcpy(rte_pktmbuf_mtod(frame, uint8_t*), pattern.data(), pattern.size());
    frame->data_len = static_cast<uint16_t>(pattern.size());
    frame->pkt_len = frame->data_len;
  }
  return count;
}

uint16_t EndlessPort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  taken_ += frames.size();
  return static_cast<uint16_t>(frames.size());
}

vswitch::MacAddress station(unsigned side, unsigned number) {
  return {{0x02, static_cast<uint8_t>(side), 0, 0, static_cast<uint8_t>(number >> 8),
           static_cast<uint8_t>(number)}};
}

vswitch::PortSettings all_guards(unsigned side) {
  vswitch::PortSettings settings;
  settings.mac = station(side, 0);
  settings.mac_guard = settings.dhcp_guard = settings.router_guard = true;
  for (uint16_t i = 0; i < 64; ++i) {
    const auto port = static_cast<uint16_t>(20000 + i);
    settings.acl.push_back(
        {.any_protocol = false, .protocol = 6, .destination_ports = {port, port}});
  }
  return settings;
}

Pattern udp_frame(const vswitch::MacAddress& destination, const vswitch::MacAddress& source,
                  uint16_t source_port, size_t bytes) {
  Pattern frame(bytes);
  std::copy(destination.bytes.begin(), destination.bytes.end(), frame.begin());
  std::copy(source.bytes.begin(), source.bytes.end(), frame.begin() + 6);
  const auto packet = static_cast<uint16_t>(bytes - 14);
  const auto datagram = static_cast<uint16_t>(packet - 20);
  const std::array<uint8_t, 28> headers = {0x08,
                                           0x00,
                                           0x45,
                                           0x00,
                                           static_cast<uint8_t>(packet >> 8),
                                           static_cast<uint8_t>(packet),
                                           0,
                                           1,
                                           0,
                                           0,
                                           64,
                                           17,
                                           0,
                                           0,
                                           10,
                                           0,
                                           0,
                                           1,
                                           10,
                                           0,
                                           0,
                                           2,
                                           static_cast<uint8_t>(source_port >> 8),
                                           static_cast<uint8_t>(source_port),
                                           0,
                                           9,
                                           static_cast<uint8_t>(datagram >> 8),
                                           static_cast<uint8_t>(datagram)};
  std::copy(headers.begin(), headers.end(), frame.begin() + 12);
  return frame;
}

}  // namespace viridian::bench
