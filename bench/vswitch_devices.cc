// One core that switches between two devices of DPDK: what bench/vswitch_peer.py sets beside
// OVS-DPDK on the same devices. Usage:
//   vswitch_devices MILLISECONDS none|guards|mirror DEVICE DEVICE [DEVICE]
// The third device gets what is mirrored.
// Prints frames taken in, and nanoseconds of processor time of the one thread.
#include <fmt/core.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "bench/vswitch_load.h"
#include "vswitch/dpdk.h"
#include "vswitch/ethdev_port.h"
#include "vswitch/virtual_switch.h"

namespace viridian::bench {
namespace {

constexpr uint32_t kFrames = 65535;
constexpr uint32_t kMemoryMib = 512;

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

Result<void> run(unsigned run_ms, const std::string& features,
                 const std::vector<std::string>& devices) {
  vswitch::DpdkOptions options;
  options.memory_mib = kMemoryMib;
  VIRIDIAN_TRY(vswitch::start_dpdk(options));
  auto pool = vswitch::make_frame_pool("devices", kFrames);
  if (!pool) return Unexpected(pool.error());
  auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  std::vector<std::unique_ptr<vswitch::EthdevPort>> ports;
  vswitch::VirtualSwitch bridge({}, pool->get());
  for (size_t i = 0; i < devices.size(); ++i) {
    auto port = vswitch::EthdevPort::create(**reactor, pool->get(), {devices[i]});
    if (!port) return Unexpected(port.error());
    ports.push_back(std::move(*port));
    vswitch::PortSettings settings;
    if (features == "guards") settings = all_guards(static_cast<unsigned>(i));
    if (features == "mirror") settings.mirror = vswitch::MirrorMode::kSource;
    if (i == 2) settings.mirror = vswitch::MirrorMode::kDestination;
    settings.name = std::to_string(i);
    settings.storm_limit = 0;
    VIRIDIAN_TRY(bridge.add_port(*ports.back(), settings));
  }
  const auto frames = [&] {
    return bridge.counters(0)->rx_frames.get() + bridge.counters(1)->rx_frames.get();
  };
  const auto turn_for = [&](uint64_t span_ns) {
    const uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + span_ns;
    while (clock_ns(CLOCK_MONOTONIC) < end_ns)
      bridge.turn(clock_ns(CLOCK_MONOTONIC));
  };
  turn_for(100'000'000);
  const uint64_t frames_before = frames();
  const uint64_t cpu_before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  turn_for(uint64_t{run_ms} * 1'000'000);
  const uint64_t spent_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_before_ns;
  fmt::print("{} {}\n", frames() - frames_before, spent_ns);
  for (size_t id = 0; id < devices.size(); ++id)
    bridge.remove_port(static_cast<vswitch::PortId>(id));
  return {};
}

}  // namespace
}  // namespace viridian::bench

int main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr,
               "usage: vswitch_devices MILLISECONDS none|guards|mirror DEVICE DEVICE "
               "[DEVICE]\n");
    return 2;
  }
  const auto done = viridian::bench::run(static_cast<unsigned>(std::atoi(argv[1])), argv[2],
                                         std::vector<std::string>(argv + 3, argv + argc));
  if (!done) {
    fmt::print(stderr, "vswitch_devices: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
