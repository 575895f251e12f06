// First writes to a new disk, chains of differencing disks, opening a deep one, and how fast zeroes
// are seen.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "bench/vhd_cases.h"
#include "vhd/open_disk.h"
#include "vhd/tool/zero_scan.h"

namespace viridian::bench {
namespace {

struct FreshCase {
  uint32_t bytes;
  bool is_random;
  uint32_t depth;
  double line;
};

constexpr uint64_t kRandomWrites = 64 * 1024;
constexpr uint64_t kQemuWrites = 8 * 1024;
constexpr size_t kQemuRounds = 2;  // each takes many times as long as ours
constexpr double kQemuLine = 10;

Work work_of(const Settings& settings, const FreshCase& fresh) {
  Work work;
  work.is_write = true;
  work.is_random = fresh.is_random;
  work.bytes = fresh.bytes;
  work.depth = fresh.depth;
  work.region = settings.size_bytes;
  work.max_count = fresh.is_random ? kRandomWrites : work.region / work.bytes;
  work.flush_at_end = true;
  return work;
}

// Writes a second, or 0 where qemu-img does not run. It has no random order: a stride that meets
// every block soon stands for it.
double qemu_rate(const std::string& path, uint64_t size_bytes) {
  const std::string create =
      fmt::format("qemu-img create -q -f vpc '{}' {} 2>/dev/null", path, size_bytes);
  if (std::system(create.c_str()) != 0) return 0;
  const uint64_t stride = size_bytes / 8192 * 5061 / 4096 * 4096 + 4096;
  const std::string bench = fmt::format(
      "qemu-img bench -w -c {} -d 32 -s 4096 -S {} -t none -i io_uring -f vpc '{}' 2>/dev/null",
      kQemuWrites, stride, path);
  std::FILE* pipe = ::popen(bench.c_str(), "r");
  if (pipe == nullptr) return 0;
  double seconds = 0;
  std::array<char, 256> text;
  while (std::fgets(text.data(), text.size(), pipe) != nullptr)
    std::sscanf(text.data(), "Run completed in %lf seconds", &seconds);
  ::pclose(pipe);
  ::unlink(path.c_str());
  return seconds > 0 ? static_cast<double>(kQemuWrites) / seconds : 0;
}

void compare_with_qemu(const Settings& settings, const Pair& pair) {
  const std::string path = settings.folder.file("qemu.vhd");
  Pair against;
  for (size_t round = 0; round < std::min(kQemuRounds, pair.ours.size()); ++round) {
    const Cost& cost = pair.ours[round];
    const double rate = qemu_rate(path, settings.size_bytes);
    if (rate == 0) {
      settings.report.note("QEMU as a reference: qemu-img is not installed");
      return;
    }
    against.ours.push_back(cost);
    against.reference.push_back({kQemuWrites, static_cast<double>(kQemuWrites) / rate});
  }
  Line line = compare("  the same, R = qemu-img bench on vpc", "IO/s", against,
                      [](const Cost& cost) { return cost.rate(); });
  line.line = kQemuLine;
  settings.report.add(line);
}

uint64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long long all = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%llu %llu", &all, &resident) != 2) return 0;
  std::fclose(file);
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

double now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

}  // namespace

void measure_fresh_writes(const Settings& settings) {
  settings.report.heading("First writes to a new dynamic disk, flush at the end; R: a sparse file");
  const std::string path = settings.folder.file("fresh.vhd");
  const std::string raw = settings.folder.file("fresh.raw");
  for (const FreshCase& fresh : {FreshCase{1u << 20, false, 1, 0.90},
                                 {1u << 20, false, 8, 0.90},
                                 {65536, false, 32, 0.80},
                                 {4096, true, 32, 0.50}}) {
    const Work work = work_of(settings, fresh);
    const auto ours = [&] {
      make_dynamic(path, settings.size_bytes, Fill::kEmpty);
      return EngineLoop(path, false).run(work, settings.buffers);
    };
    const auto reference = [&] {
      make_raw(raw, settings.size_bytes);
      return BareLoop(raw, false).run(work, settings.buffers);
    };
    const Pair pair = interleave(settings.rounds, ours, reference);
    Line line = compare(name_of(work), "IO/s", pair, [](const Cost& cost) { return cost.rate(); });
    line.line = fresh.line;
    settings.report.add(line);
    if (fresh.is_random) compare_with_qemu(settings, pair);
  }
  ::unlink(path.c_str());
  ::unlink(raw.c_str());
}

void measure_chains(const Settings& settings) {
  settings.report.heading("Chains: 4 KiB random reads at depth 32; R: the base alone, depth 1");
  const std::string base = settings.folder.file("base.vhd");
  make_dynamic(base, settings.size_bytes, Fill::kWritten);
  evict(base);
  const auto paths = make_chain(settings.folder, base, 128);
  EngineLoop one(base, true);
  Work work;
  work.is_random = true;
  work.depth = 32;
  work.region = settings.size_bytes;
  work.seconds = settings.seconds;
  for (auto [depth, wanted] : {std::pair{8u, 0.95}, {32u, 0.90}, {128u, 0.80}}) {
    EngineLoop deep(paths[depth - 1], true);
    const Pair pair = interleave_slices(
        settings, work, [&](const Work& slice) { return deep.run(slice, settings.buffers); },
        [&](const Work& slice) { return one.run(slice, settings.buffers); });
    Line line = compare(fmt::format("chain of {}", depth), "IO/s", pair,
                        [](const Cost& cost) { return cost.rate(); });
    line.line = wanted;
    settings.report.add(line);
  }
}

void measure_opening(const Settings& settings) {
  constexpr unsigned kDepth = 128;
  constexpr uint64_t kBytes = vhd::kMaxSparseSize;
  settings.report.heading("Opening a chain of 128 disks of 2040 GiB; R: the plan's figure");
  const std::string base = settings.folder.file("huge.vhd");
  make_dynamic(base, kBytes, Fill::kEmpty);
  const auto paths = make_chain(settings.folder, base, kDepth);
  std::vector<double> times_ms;
  double bytes = 0;
  for (unsigned round = 0; round <= settings.rounds; ++round) {
    auto reactor = io::Reactor::create();
    if (!reactor) give_up(reactor.error().message);
    const uint64_t before = resident_bytes();
    const double start = now_ms();
    auto disk = vhd::open_disk(**reactor, paths.back());
    if (!disk) give_up(disk.error().message);
    if (round > 0) times_ms.push_back(now_ms() - start);
    if (round == 0) bytes = static_cast<double>(resident_bytes() - before);
  }
  const double blocks = static_cast<double>(kBytes) / vhd::kDefaultBlockSize * kDepth;
  Line time{"time, page cache warm", "ms", median(times_ms), 300};
  time.ratio = time.ours / time.reference;
  time.low = *std::min_element(times_ms.begin(), times_ms.end()) / time.reference;
  time.high = *std::max_element(times_ms.begin(), times_ms.end()) / time.reference;
  time.line = 1;
  time.better = Better::kLess;
  settings.report.add(time);
  Line memory{"memory for each block and layer", "bytes", bytes / blocks, 4};
  memory.ratio = memory.low = memory.high = memory.ours / memory.reference;
  memory.line = 1;
  memory.better = Better::kLess;
  settings.report.add(memory);
}

void measure_zeroes(const Settings& settings) {
  constexpr size_t kBytes = 64 << 20;
  constexpr unsigned kPasses = 8;
  constexpr double kLineGbS = 8;
  settings.report.heading("Seeing that 64 MiB of memory are zeroes; R: the plan's figure");
  const std::vector<std::byte> zeroes(kBytes);
  std::vector<double> rates;
  for (unsigned round = 0; round <= settings.rounds; ++round) {
    const double start = now_ms();
    for (unsigned pass = 0; pass < kPasses; ++pass) {
      vhd::tool::for_each_run(zeroes, [](size_t, size_t) { give_up("zeroes taken for data"); });
    }
    if (round > 0) rates.push_back(kPasses * kBytes / (now_ms() - start) * 1e-6);
  }
  Line line{"zero detection, one core", "GB/s", median(rates), kLineGbS};
  line.ratio = line.ours / line.reference;
  line.low = *std::min_element(rates.begin(), rates.end()) / line.reference;
  line.high = *std::max_element(rates.begin(), rates.end()) / line.reference;
  line.line = 1;
  settings.report.add(line);
}

}  // namespace viridian::bench
