// What does a second worker of a switch bring, and what does a frame cost that goes from one to the
// other?
//
// Two endless ports face each other, as in vswitch_forward: with one worker, with one worker each
// that are turned in turns by one thread (what a crossing costs), and on two threads. The rows are
// measured one after another in each round and the medians are printed. Seconds are processor time
// of the threads, so that other work on the machine counts little. Usage: vswitch_workers [rounds]
#include <fmt/core.h>
#include <rte_cycles.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <thread>

#include "bench/vswitch_load.h"
#include "vswitch/dpdk.h"
#include "vswitch/switch_group.h"

namespace viridian::bench {
namespace {

constexpr uint64_t kFramesPerSample = 2'000'000;
constexpr uint64_t kNowNs = 1'000'000'000;
constexpr unsigned kThreads = 2;

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Pairs of ports that send to each other.
class Setup {
 public:
  // `workers`: of the first port, of its peer, and so on.
  Setup(rte_mempool* pool, const std::vector<unsigned>& workers) {
    const unsigned count = *std::max_element(workers.begin(), workers.end()) + 1;
    const std::vector<vswitch::SwitchGroup::Place> places(count, {nullptr, pool});
    group_ = std::move(*vswitch::SwitchGroup::create(
        {}, places, [](unsigned, const std::function<void()>& body) { body(); }));
    for (unsigned i = 0; i < workers.size(); ++i) {
      ports_.push_back(std::make_unique<EndlessPort>(pool));
      ports_[i]->set_patterns({udp_frame(station(i ^ 1U, 0), station(i, 0), 1, 60)});
      const auto added =
          group_->add_port(workers[i], *ports_[i],
                           {.name = std::to_string(i), .mac = station(i, 0), .storm_limit = 0});
      if (!added) std::abort();
    }
  }

  // Seconds for each frame that arrives.
  double by_one_thread() {
    const uint64_t before = taken_by_all();
    const double start = thread_seconds();
    while (taken_by_all() < before + kFramesPerSample) {
      for (unsigned i = 0; i < group_->worker_count(); ++i)
        group_->view(i).turn(kNowNs);
    }
    return (thread_seconds() - start) / static_cast<double>(taken_by_all() - before);
  }

  // Both work until the slower one has its share.
  double by_threads() {
    std::atomic<unsigned> at_work{kThreads};
    std::array<double, kThreads> rates{};
    const auto work = [&](unsigned worker) {
      const vswitch::DpdkThread registered;
      const uint64_t before = taken_by(worker);
      const double start = thread_seconds();
      while (taken_by(worker) < before + kFramesPerSample)
        group_->view(worker).turn(kNowNs);
      rates[worker] = static_cast<double>(taken_by(worker) - before) / (thread_seconds() - start);
      at_work.fetch_sub(1);
      while (at_work.load() > 0)
        group_->view(worker).turn(kNowNs);
    };
    {
      const std::jthread first(work, 0U);
      const std::jthread second(work, 1U);
    }
    return 1 / (rates[0] + rates[1]);
  }

 private:
  uint64_t taken_by(unsigned worker) const {
    uint64_t sum = 0;
    vswitch::PortId id = 0;
    for (const auto& port : ports_)
      sum += group_->worker_of(id++) == worker ? port->taken() : 0;
    return sum;
  }
  uint64_t taken_by_all() const {
    uint64_t sum = 0;
    for (const auto& port : ports_)
      sum += port->taken();
    return sum;
  }

  std::vector<std::unique_ptr<EndlessPort>> ports_;
  std::unique_ptr<vswitch::SwitchGroup> group_;
};

struct Row {
  const char* name;
  std::function<double()> sample;
  std::vector<double> seconds;
};

int run(unsigned rounds) {
  if (const auto started = vswitch::start_dpdk(); !started) {
    fmt::print("{}\n", started.error().message);
    return 2;
  }
  const vswitch::DpdkThread registered;
  const auto pool = vswitch::make_frame_pool("bench", 8191);
  if (!pool) return 2;
  Setup one(pool->get(), {0, 0});
  Setup crossing(pool->get(), {0, 1});
  Setup apart(pool->get(), {0, 0, 1, 1});
  Setup across(pool->get(), {0, 1});
  std::vector<Row> rows = {
      {"one worker", [&] { return one.by_one_thread(); }, {}},
      {"a crossing, both by one thread", [&] { return crossing.by_one_thread(); }, {}},
      {"two threads, none crosses", [&] { return apart.by_threads(); }, {}},
      {"two threads, all cross", [&] { return across.by_threads(); }, {}},
  };
  for (unsigned round = 0; round < rounds; ++round) {
    for (Row& row : rows)
      row.seconds.push_back(row.sample());
  }
  fmt::print("{:32} {:>8} {:>8} {:>10}\n", "60 B", "Mpps", "cycles", "to one");
  double base = 0;
  for (Row& row : rows) {
    std::sort(row.seconds.begin(), row.seconds.end());
    const double seconds = row.seconds[row.seconds.size() / 2];
    if (base == 0) base = seconds;
    fmt::print("{:32} {:8.1f} {:8.0f} {:10.2f}\n", row.name, 1e-6 / seconds,
               seconds * static_cast<double>(rte_get_tsc_hz()), base / seconds);
  }
  return 0;
}

}  // namespace
}  // namespace viridian::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  return viridian::bench::run(static_cast<unsigned>(std::max(rounds, 1)));
}
