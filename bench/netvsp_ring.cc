// How many frames does one core carry from one guest's NetVSP adapter to another's?
//
// Two guests with the hot path of hv_netvsc, their adapters and a switch between, all in one
// thread. The host's part alone (all that the reactor does) is what the lines are about, since
// guests have processors of their own; it is the thread's processor time, shared out by the
// processor's clock. Counted beside: allocations, locks, system calls, and how often the payload is
// copied. Usage: netvsp_ring [rounds]
#include <fmt/core.h>
#include <rte_cycles.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "bench/counted_calls.h"
#include "bench/netvsp_guest.h"
#include "vswitch/dpdk.h"
#include "vswitch/virtual_switch.h"

namespace viridian::bench {
namespace {

constexpr MacAddress kFirst = {0x00, 0x15, 0x5d, 0x01, 0x02, 0x03};
constexpr MacAddress kSecond = {0x00, 0x15, 0x5d, 0x0a, 0x0b, 0x0c};

struct Case {
  FrameKind kind;
  uint64_t frames;       // of one round
  uint32_t outstanding;  // frames that the sender has out at a time
  double line;
  const char* unit;
};
constexpr Case kCases[] = {
    {{"64 B", 60, false, 0}, 4'000'000, 128, 25, "Mpps"},
    {{"1514 B", 1514, true, 0}, 1'500'000, 128, 85, "Gbit/s"},
    {{"64 KiB, large send", 65226, true, 1448}, 50'000, 16, 60, "Gbit/s"},
};

struct Counts {
  uint64_t frames = 0;
  uint64_t bytes = 0;
  uint64_t copied = 0;     // into the receiver
  uint64_t headers = 0;    // into the switch's own memory, before they were judged
  uint64_t packets = 0;    // of VMBus, that the frames travelled in to the receiver
  uint64_t strangers = 0;  // payload bytes in the switch that were not in the sender's memory
  uint64_t allocations = 0;
  uint64_t locks = 0;
  uint64_t calls = 0;  // of the system
  uint64_t faults = 0;
};

// The sender's port, which looks where the frames lie that it gives to the switch.
class WatchedPort final : public vswitch::SwitchPort {
 public:
  explicit WatchedPort(NetvspGuest& guest) : guest_(guest) {}

  vswitch::PortFeatures features() const noexcept override { return guest_.adapter().features(); }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override {
    const uint16_t count = guest_.adapter().receive(frames);
    for (const rte_mbuf* frame : frames.first(watching ? count : 0)) {
      for (const rte_mbuf* part = frame->next; part != nullptr; part = part->next)
        strangers += is_guests(part) ? 0 : part->data_len;
    }
    return count;
  }
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override {
    return guest_.adapter().transmit(frames);
  }
  void flush() noexcept override { guest_.adapter().flush(); }
  bool arm() noexcept override { return guest_.adapter().arm(); }
  void disarm() noexcept override { guest_.adapter().disarm(); }

  bool watching = false;
  uint64_t strangers = 0;

 private:
  bool is_guests(const rte_mbuf* part) const noexcept {
    const auto* data = rte_pktmbuf_mtod(part, const std::byte*);
    const auto regions = guest_.memory().regions();
    return std::any_of(regions.begin(), regions.end(), [&](const GuestMemory::Region& region) {
      const std::byte* begin = region.bytes.data();
      return data >= begin && data + part->data_len <= begin + region.bytes.size();
    });
  }

  NetvspGuest& guest_;
};

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Sample {
  double host;  // seconds for each frame
  double all;   // with what the two guests did
};

class Bench {
 public:
  explicit Bench(rte_mempool* pool)
      : reactor_(std::move(*io::Reactor::create())),
        first_(*reactor_, pool, kFirst),
        second_(*reactor_, pool, kSecond),
        port_(first_),
        switch_({}, pool) {}
  ~Bench() { reactor_->detach(switch_); }

  bool connect() {
    reactor_->attach(switch_);
    return first_.connect() && second_.connect() &&
           switch_.add_port(port_, {.name = "first", .storm_limit = 0}) &&
           switch_.add_port(second_.adapter(), {.name = "second", .storm_limit = 0});
  }

  void prepare(const Case& one) {
    first_.mask(true);
    second_.mask(true);
    second_.set_frames(one.kind, kFirst);
    second_.send(1);  // the switch knows it from now on
    settle();
    first_.set_frames(one.kind, kSecond);
    outstanding_ = one.outstanding;
    run(one.frames / 8);
  }

  Sample run(uint64_t frames) {
    const uint64_t until = second_.received() + frames;
    const uint64_t before = second_.received();
    uint64_t host = 0;
    const double start_seconds = thread_seconds();
    const uint64_t start = rte_rdtsc();
    while (second_.received() < until) {
      first_.send(outstanding_);
      const uint64_t from = rte_rdtsc();
      reactor_->turn(false);
      host += rte_rdtsc() - from;
      second_.receive();
      first_.receive();
    }
    const auto ticks = static_cast<double>(rte_rdtsc() - start);
    const double seconds =
        (thread_seconds() - start_seconds) / static_cast<double>(second_.received() - before);
    return {seconds * static_cast<double>(host) / ticks, seconds};
  }

  // A run that is counted and not timed.
  Counts count(uint64_t frames) {
    const Counts before = now();
    port_.watching = true;
    run(frames);
    port_.watching = false;
    const Counts after = now();
    settle();
    return {.frames = after.frames - before.frames,
            .bytes = after.bytes - before.bytes,
            .copied = after.copied - before.copied,
            .headers = after.headers - before.headers,
            .packets = after.packets - before.packets,
            .strangers = after.strangers - before.strangers,
            .allocations = after.allocations - before.allocations,
            .locks = after.locks - before.locks,
            .calls = after.calls - before.calls,
            .faults = after.faults - before.faults};
  }

  void settle() {
    for (int i = 0; i < 100; ++i) {
      reactor_->turn(false);
      first_.receive();
      second_.receive();
    }
  }

 private:
  Counts now() {
    const netvsp::Statistics& sender = first_.adapter().statistics();
    const netvsp::Statistics& receiver = second_.adapter().statistics();
    return {.frames = receiver.frames_received.get(),
            .bytes = receiver.bytes_received.get(),
            .copied = receiver.bytes_copied.get(),
            .headers = sender.header_bytes.get(),
            .packets = receiver.packets_received.get(),
            .strangers = port_.strangers,
            .allocations = counted_calls().allocations,
            .locks = counted_calls().locks,
            .calls = reactor_->enter_count() + first_.doorbells() + second_.doorbells() +
                     first_.interrupts() + second_.interrupts(),
            .faults = first_.faults() + second_.faults()};
  }

  std::unique_ptr<io::Reactor> reactor_;
  NetvspGuest first_;
  NetvspGuest second_;
  WatchedPort port_;
  vswitch::VirtualSwitch switch_;
  uint32_t outstanding_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double speed(const Case& one, double seconds) {
  return one.unit[0] == 'M' ? 1e-6 / seconds : one.kind.bytes * 8e-9 / seconds;
}

bool print_counts(const Counts& counts) {
  const auto each = [&](uint64_t number) {
    return static_cast<double>(number) / static_cast<double>(counts.frames);
  };
  const bool copied_once = counts.copied == counts.bytes && counts.strangers == 0;
  const uint64_t bad = counts.allocations + counts.locks + counts.calls + counts.faults;
  fmt::print(
      "  {:.3f} copies of each byte, {} bytes from elsewhere: {}; {:.0f} bytes of headers "
      "taken first; {:.1f} frames a packet\n",
      static_cast<double>(counts.copied) / static_cast<double>(counts.bytes), counts.strangers,
      copied_once ? "pass" : "FAIL", each(counts.headers),
      static_cast<double>(counts.frames) / static_cast<double>(counts.packets));
  fmt::print("  {} allocations, {} locks, {} system calls, {} faults in {} frames: {}\n",
             counts.allocations, counts.locks, counts.calls, counts.faults, counts.frames,
             bad == 0 && kCallsAreCounted ? "pass" : "FAIL");
  return copied_once && bad == 0;
}

bool measure(Bench& bench, const Case& one, unsigned rounds) {
  bench.prepare(one);
  std::vector<double> host, all;
  for (unsigned round = 0; round < rounds; ++round) {
    const Sample sample = bench.run(one.frames);
    host.push_back(sample.host);
    all.push_back(sample.all);
  }
  const double reached = speed(one, median(host));
  const auto hz = static_cast<double>(rte_get_tsc_hz());
  fmt::print(
      "{}: host alone {:.1f} {} ({:.0f} cycles a frame; best round {:.0f}), >= {:.0f}: {}, ratio "
      "{:.2f}; "
      "with both guests on the core {:.1f} {}\n",
      one.kind.name, reached, one.unit, median(host) * hz,
      *std::min_element(host.begin(), host.end()) * hz, one.line,
      reached >= one.line ? "pass" : "FAIL", reached / one.line, speed(one, median(all)), one.unit);
  return print_counts(bench.count(one.frames / 4)) && reached >= one.line;
}

int run(unsigned rounds, const char* only) {
  if (const auto started = vswitch::start_dpdk(); !started) {
    fmt::print("{}\n", started.error().message);
    return 2;
  }
  const auto pool = vswitch::make_frame_pool("bench", 8191);
  if (!pool) return 2;
  Bench bench(pool->get());
  if (!bench.connect()) {
    fmt::print("the guests do not reach their adapters\n");
    return 2;
  }
  bool good = true;
  for (const Case& one : kCases) {
    if (only == nullptr || std::string_view(one.kind.name).starts_with(only))
      good = measure(bench, one, rounds) && good;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace viridian::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  return viridian::bench::run(static_cast<unsigned>(std::max(rounds, 1)),
                              argc > 2 ? argv[2] : nullptr);
}
