// What does a 4 KiB read cost from the guest's ring to the answer in the ring back?
//
// Runs a busy guest at a depth of 32 against a RAM disk, interleaved with the bare work of such a
// read, and prints the medians in processor time of the one thread that does all, the guest's part
// included. The line: at most 1 us, with no allocation, no lock and no system call.
// Usage: storvsp_ring [reads for each of the 9 rounds, default 200000]
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "bench/counted_calls.h"
#include "bench/storvsp_load.h"

namespace viridian::bench {
namespace {

constexpr uint32_t kDepth = 32;
constexpr size_t kRounds = 9;
constexpr double kLineNs = 1000;

using Rounds = std::array<double, kRounds>;

double thread_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
double time_ns_each(uint64_t count, Work&& work) {
  const double start = thread_ns();
  work();
  return (thread_ns() - start) / static_cast<double>(count);
}

double median(Rounds rounds) {
  std::sort(rounds.begin(), rounds.end());
  return rounds[kRounds / 2];
}

void add(PathCounts& sum, const PathCounts& counts) {
  sum.requests += counts.requests;
  sum.errors += counts.errors;
  sum.allocations += counts.allocations;
  sum.locks += counts.locks;
  sum.enters += counts.enters;
  sum.doorbells += counts.doorbells;
  sum.interrupts += counts.interrupts;
}

void print_counts(const char* name, const PathCounts& counts) {
  const auto each = [&](uint64_t number) {
    return static_cast<double>(number) / static_cast<double>(counts.requests);
  };
  fmt::print("{:<13} {:>11.4f} {:>7.4f} {:>13.4f} {:>9.4f} {:>10.4f}\n", name,
             each(counts.allocations), each(counts.locks), each(counts.enters),
             each(counts.doorbells), each(counts.interrupts));
}

bool print_verdict(double busy_ns, double bare_ns, const PathCounts& busy) {
  const bool is_fast = busy_ns <= kLineNs;
  const uint64_t calls = busy.enters + busy.doorbells + busy.interrupts;
  const bool is_clean = busy.allocations + busy.locks + calls == 0 && kCallsAreCounted;
  fmt::print("\n{} ns <= {} ns: {}; ratio to the bare copy {:.2f}\n", static_cast<int>(busy_ns),
             kLineNs, is_fast ? "pass" : "FAIL", busy_ns / bare_ns);
  fmt::print("{} allocations, {} locks, {} system calls in {} reads: {}\n", busy.allocations,
             busy.locks, calls, busy.requests, is_clean ? "pass" : "FAIL");
  return is_fast && is_clean && busy.errors == 0;
}

bool run(uint64_t reads) {
  StorvspLoad load(kDepth);
  BareCopy bare(kDepth);
  Rounds busy_ns, sleepy_ns, bare_ns;
  PathCounts busy, sleepy;
  uint64_t sum = bare.run(reads / 4);
  load.run(reads / 4, StorvspLoad::Guest::kBusy);
  for (size_t round = 0; round < kRounds; ++round) {
    busy_ns[round] =
        time_ns_each(reads, [&] { add(busy, load.run(reads, StorvspLoad::Guest::kBusy)); });
    bare_ns[round] = time_ns_each(reads, [&] { sum += bare.run(reads); });
    sleepy_ns[round] =
        time_ns_each(reads, [&] { add(sleepy, load.run(reads, StorvspLoad::Guest::kSleepy)); });
  }
  fmt::print("4 KiB reads at depth {} from a RAM disk of {} MiB, {} rounds of {} ({:x})\n\n",
             kDepth, kDiskBytes >> 20, kRounds, reads, sum & 0xff);
  fmt::print("ns of one core for each read, median (lowest to highest):\n");
  const auto print_time = [](const char* name, const Rounds& rounds) {
    const auto [low, high] = std::minmax_element(rounds.begin(), rounds.end());
    fmt::print("{:<13} {:>8.0f} ({:.0f} to {:.0f})\n", name, median(rounds), *low, *high);
  };
  print_time("bare copy", bare_ns);
  print_time("busy guest", busy_ns);
  print_time("sleepy guest", sleepy_ns);
  fmt::print("\nfor each read  allocations   locks  io_uring_enter doorbells interrupts\n");
  print_counts("busy guest", busy);
  print_counts("sleepy guest", sleepy);
  return print_verdict(median(busy_ns), median(bare_ns), busy);
}

}  // namespace
}  // namespace viridian::bench

int main(int argc, char** argv) {
  const long reads = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 200'000;
  if (reads < 1000) {
    fmt::print(stderr, "storvsp_ring: at least 1000 reads for each round\n");
    return 2;
  }
  return viridian::bench::run(static_cast<uint64_t>(reads)) ? 0 : 1;
}
