// TCP segments through two ports of a switch, one of which joins them: a receiver that takes no
// large frames gets the same from both. Input: five bytes for each of a connection's segments: what
// it is, the length of its payload, and where it is changed, to what.
#include <rte_ip.h>

#include <algorithm>
#include <cstring>

#include "tests/fakes/fake_port.h"
#include "vswitch/dpdk.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {
namespace {

FramePool set_up() {
  if (!start_dpdk()) __builtin_trap();
  return std::move(*make_frame_pool("coalesce_fuzz", 1023));
}

struct Net {
  explicit Net(rte_mempool* pool, bool gro) : bridge({}, pool), from(pool), to(pool) {
    const PortSettings settings = {.name = "a", .gro = gro, .storm_limit = 0};
    if (!bridge.add_port(from, settings) || !bridge.add_port(to, {.name = "b"})) __builtin_trap();
  }
  VirtualSwitch bridge;
  fakes::FakePort from;
  fakes::FakePort to;
};

std::vector<uint8_t> segment(const uint8_t* change, uint32_t sequence, uint8_t number) {
  const bool v6 = (change[0] & 1) != 0;
  const size_t ip = v6 ? 40 : 20;
  const auto length = static_cast<uint8_t>(20 + 1 + change[1] % 40);
  std::vector<uint8_t> bytes(14 + ip + length, number);
  std::fill_n(bytes.begin(), 14 + ip + 20, uint8_t{2});
  bytes[12] = v6 ? 0x86 : 0x08;
  bytes[13] = v6 ? 0xDD : 0x00;
  const std::vector<uint8_t> v4_start = {
      0x45, 0, 0, static_cast<uint8_t>(20 + length), 0, number, 0, 0, 9, 6, 0, 0};
  const std::vector<uint8_t> v6_start = {0x60, 0, 0, 0, 0, length, 6, 9};
  std::copy_n((v6 ? v6_start : v4_start).begin(), v6 ? 8 : 12, bytes.begin() + 14);
  uint8_t* tcp = bytes.data() + 14 + ip;
  for (unsigned i = 0; i < 4; ++i)
    tcp[4 + i] = static_cast<uint8_t>(sequence >> (24 - 8 * i));
  tcp[12] = 0x50;
  tcp[13] = (change[0] & 2) != 0 ? 0x18 : 0x10;
  const size_t at = change[2] % bytes.size();
  bytes[at] = change[3];
  if ((change[0] & 4) != 0) return bytes;  // its checksums are wrong
  std::memset(tcp + 16, 0, 2);
  uint32_t sum = rte_raw_cksum(tcp, length) + rte_raw_cksum(&bytes[v6 ? 22 : 26], v6 ? 32 : 8) +
                 RTE_BE16(6) + rte_cpu_to_be_16(length);
  sum = (sum & 0xFFFF) + (sum >> 16);
  const auto folded = static_cast<uint16_t>(~((sum & 0xFFFF) + (sum >> 16)));
  std::memcpy(tcp + 16, &folded, 2);
  if (v6) return bytes;
  std::memset(&bytes[24], 0, 2);
  const auto header = static_cast<uint16_t>(~rte_raw_cksum(&bytes[14], 20));
  std::memcpy(&bytes[24], &header, 2);
  return bytes;
}

}  // namespace
}  // namespace viridian::vswitch

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace vswitch = viridian::vswitch;
  static const vswitch::FramePool pool = vswitch::set_up();
  static vswitch::Net joining(pool.get(), true);
  static vswitch::Net plain(pool.get(), false);
  uint32_t sequence = 1000;
  for (uint8_t number = 0; size >= 5 && number < 64; size -= 5, data += 5, ++number) {
    viridian::fakes::PlainFrame frame;
    frame.bytes = vswitch::segment(data, sequence, number);
    if ((data[0] & 8) != 0) frame.tag = data[4] & 1;
    sequence += 1 + data[1] % 40;
    joining.from.bring(frame);
    plain.from.bring(frame);
  }
  joining.bridge.turn(1'000'000'000);
  plain.bridge.turn(1'000'000'000);
  // The order is kept in a connection alone, and who cut a frame knows more of it.
  const auto content = [](const auto& frames) {
    std::vector<std::pair<std::vector<uint8_t>, std::optional<uint16_t>>> all;
    for (const auto& frame : frames)
      all.emplace_back(frame.bytes, frame.tag);
    std::sort(all.begin(), all.end());
    return all;
  };
  if (content(joining.to.take()) != content(plain.to.take())) __builtin_trap();
  return 0;
}
