// Any bytes as a frame through guards, rules and the explanation of a switch. The sanitizer watches
// the reads; what a guard lets through must be what explain() said. Input: a byte of flags, a tag,
// the frame.
#include <algorithm>
#include <memory>

#include "tests/fakes/fake_port.h"
#include "vswitch/dpdk.h"
#include "vswitch/virtual_switch.h"

namespace viridian::vswitch {
namespace {

struct Net {
  Net() : pool(set_up()), bridge({}, pool.get()), from(pool.get()), to(pool.get()) {
    PortSettings guarded = {.name = "a", .dhcp_guard = true, .router_guard = true};
    guarded.storm_limit = 0;
    guarded.vlan.mode = VlanMode::kTrunk;
    guarded.vlan.allowed.set(10);
    guarded.acl.push_back({.any_protocol = false, .protocol = 6});
    if (!bridge.add_port(from, guarded) || !bridge.add_port(to, {.name = "b"})) __builtin_trap();
  }
  static FramePool set_up() {
    if (!start_dpdk()) __builtin_trap();
    return std::move(*make_frame_pool("packet_fuzz", 511));
  }
  FramePool pool;
  VirtualSwitch bridge;
  fakes::FakePort from;
  fakes::FakePort to;
};

}  // namespace
}  // namespace viridian::vswitch

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace fakes = viridian::fakes;
  namespace vswitch = viridian::vswitch;
  static vswitch::Net net;
  if (size < 3 || size > 2000) return 0;
  fakes::PlainFrame frame;
  if ((data[0] & 1) != 0) frame.tag = static_cast<uint16_t>(data[1] << 8 | data[2]);
  frame.bytes.assign(data + 3, data + size);
  // A reader that goes too far leaves this block, which mbufs would hide.
  const auto exact = std::make_unique<uint8_t[]>(frame.bytes.size());
  std::copy(frame.bytes.begin(), frame.bytes.end(), exact.get());
  vswitch::parse_packet({exact.get(), frame.bytes.size()});
  const auto told = net.bridge.explain(0, {exact.get(), frame.bytes.size()}, frame.tag);
  net.from.bring(frame);
  net.bridge.turn(1'000'000'000);
  const bool expected = told.reason == vswitch::DropReason::kNone && !told.receivers.empty() &&
                        told.receivers[0].reason == vswitch::DropReason::kNone;
  if ((net.to.take().size() == 1) != expected) __builtin_trap();
  return 0;
}
