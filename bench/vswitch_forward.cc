// How many frames a second does one core switch between two ports, and what do features cost?
//
// Two endless ports face each other; each has as many stations as the row says, and each frame goes
// to a station of the other. The rows are measured one after another in each round and the medians
// are printed, in processor time of the one thread. "ports alone" is the same without a switch: a
// burst from one port, to the other, freed. Usage: vswitch_forward [rounds [part of a row's name]]
#include <fmt/core.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>

#include "bench/vswitch_load.h"
#include "vswitch/dpdk.h"
#include "vswitch/virtual_switch.h"

namespace viridian::bench {
namespace {

using vswitch::MacAddress;
using vswitch::PortSettings;

constexpr uint64_t kFramesPerSample = 2'000'000;
constexpr uint64_t kNowNs = 1'000'000'000;

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<Pattern> patterns(unsigned side, unsigned pairs, unsigned flows, size_t bytes) {
  std::vector<Pattern> result;
  for (unsigned i = 0; i < std::max(pairs, flows); ++i) {
    result.push_back(udp_frame(station(1 - side, i % pairs), station(side, i % pairs),
                               static_cast<uint16_t>(1000 + i % flows), bytes));
  }
  return result;
}

struct Row {
  std::string name;
  std::function<double()> sample;  // seconds for each frame
  std::vector<double> seconds;

  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

class Pair {
 public:
  Pair(rte_mempool* pool, unsigned pairs, unsigned flows, size_t bytes, PortSettings settings)
      : a_(pool), b_(pool), mirror_(pool), switch_({}, pool) {
    settings.storm_limit = 0;
    settings.name = "a";
    settings.mac = settings.mac_guard ? station(0, 0) : MacAddress{};
    if (!switch_.add_port(a_, settings)) std::abort();
    settings.name = "b";
    settings.mac = settings.mac_guard ? station(1, 0) : MacAddress{};
    if (!switch_.add_port(b_, settings)) std::abort();
    if (settings.mirror == vswitch::MirrorMode::kSource) {
      if (!switch_.add_port(mirror_, {.name = "m", .mirror = vswitch::MirrorMode::kDestination}))
        std::abort();
    }
    a_.set_patterns(patterns(0, pairs, flows, bytes));
    b_.set_patterns(patterns(1, pairs, flows, bytes));
    for (int i = 0; i < 1000; ++i)
      switch_.turn(kNowNs);
  }

  double sample() {
    const uint64_t before = a_.taken() + b_.taken();
    const double start = thread_seconds();
    while (a_.taken() + b_.taken() < before + kFramesPerSample)
      switch_.turn(kNowNs);
    return (thread_seconds() - start) / static_cast<double>(a_.taken() + b_.taken() - before);
  }

 private:
  EndlessPort a_;
  EndlessPort b_;
  EndlessPort mirror_;
  vswitch::VirtualSwitch switch_;
};

double ports_alone(EndlessPort& a, EndlessPort& b) {
  std::array<rte_mbuf*, vswitch::kBurst> frames;
  const uint64_t before = b.taken();
  const double start = thread_seconds();
  while (b.taken() < before + kFramesPerSample) {
    const uint16_t count = a.receive(frames);
    b.transmit({frames.data(), count});
    rte_pktmbuf_free_bulk(frames.data(), count);
  }
  return (thread_seconds() - start) / static_cast<double>(b.taken() - before);
}

// New addresses in each frame, until the table is full of a million.
double learn_million(rte_mempool* pool) {
  constexpr unsigned kBatch = 4096;
  EndlessPort from(pool);
  EndlessPort to(pool);
  vswitch::VirtualSwitch bridge({.mac_capacity = vswitch::kMaxMacs}, pool);
  if (!bridge.add_port(from, {.name = "a", .mac_limit = vswitch::kMaxMacs, .storm_limit = 0}) ||
      !bridge.add_port(to, {.name = "b"}))
    std::abort();
  double spent = 0;
  for (unsigned first = 0; first < vswitch::kMaxMacs; first += kBatch) {
    std::vector<Pattern> fresh;
    for (unsigned i = first; i < first + kBatch; ++i) {
      MacAddress source = station(0, i);
      source.bytes[2] = static_cast<uint8_t>(i >> 16);
      fresh.push_back(udp_frame(station(1, 0), source, 1, 60));
    }
    from.set_patterns(std::move(fresh));
    const double start = thread_seconds();
    for (unsigned i = 0; i < kBatch; i += vswitch::kBurst)
      bridge.turn(kNowNs);
    spent += thread_seconds() - start;
  }
  fmt::print("learned {} addresses, {:.2f} million a second (line 0.5), each frame flooded\n",
             bridge.macs().size(), bridge.macs().size() / spent * 1e-6);
  return bridge.macs().size() / spent;
}

int run(unsigned rounds, const std::string& only) {
  if (const auto started = vswitch::start_dpdk(); !started) {
    fmt::print("{}\n", started.error().message);
    return 2;
  }
  const auto pool = vswitch::make_frame_pool("bench", 8191);
  if (!pool) return 2;
  EndlessPort a(pool->get());
  EndlessPort b(pool->get());
  a.set_patterns(patterns(0, 1, 1, 60));
  PortSettings mirrored;
  mirrored.mirror = vswitch::MirrorMode::kSource;
  std::vector<std::unique_ptr<Pair>> pairs;
  std::vector<Row> rows;
  rows.push_back({"ports alone, 60 B", [&] { return ports_alone(a, b); }, {}});
  const auto add = [&](const char* name, unsigned macs, unsigned flows, size_t bytes,
                       const PortSettings& settings) {
    pairs.push_back(std::make_unique<Pair>(pool->get(), macs, flows, bytes, settings));
    rows.push_back({name, [pair = pairs.back().get()] { return pair->sample(); }, {}});
  };
  add("1 MAC pair, 60 B", 1, 1, 60, {});
  add("64 MAC pairs, 60 B", 64, 1, 60, {});
  add("1000 MAC pairs, 60 B", 1000, 1, 60, {});
  add("4000 MAC pairs, 60 B", 4000, 1, 60, {});
  add("1 MAC pair, 4000 flows, 60 B", 1, 4000, 60, {});
  add("64 MAC pairs, 1514 B", 64, 1, 1514, {});
  add("1 pair, all guards, 64 rules", 1, 1, 60, all_guards(0));
  add("the same with 1000 flows", 1, 1000, 60, all_guards(0));
  add("1 pair, all mirrored", 1, 1, 60, mirrored);
  std::erase_if(rows, [&](const Row& row) { return row.name.find(only) == std::string::npos; });
  for (unsigned round = 0; round < rounds; ++round) {
    for (Row& row : rows)
      row.seconds.push_back(row.sample());
  }
  const double base = rows[0].median();
  const double one = rows[rows.size() > 1 ? 1 : 0].median();
  fmt::print("{:32} {:>8} {:>8} {:>12} {:>10}\n", "", "Mpps", "cycles", "of switching",
             "to 1 pair");
  for (Row& row : rows) {
    const double seconds = row.median();
    const auto hz = static_cast<double>(rte_get_tsc_hz());
    fmt::print("{:32} {:8.1f} {:8.0f} {:12.0f} {:10.2f}\n", row.name, 1e-6 / seconds, seconds * hz,
               (seconds - base) * hz, one / seconds);
  }
  return learn_million(pool->get()) >= 500'000 ? 0 : 1;
}

}  // namespace
}  // namespace viridian::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  return viridian::bench::run(static_cast<unsigned>(std::max(rounds, 1)), argc > 2 ? argv[2] : "");
}
