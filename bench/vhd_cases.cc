// Reads and overwrites of blocks that exist: fixed, dynamic, differencing, and an image whose
// blocks lie across pages.
#include "bench/vhd_cases.h"

#include <fmt/core.h>

#include <algorithm>

namespace viridian::bench {
namespace {

constexpr double kOverwriteLine = 0.95;
constexpr double kReadLine = 0.97;
constexpr double kCpuLine = 1.1;
constexpr double kUnalignedLine = 0.90;

constexpr unsigned kSlices = 4;  // of a round, each of both

void add(Cost& sum, const Cost& cost) {
  sum.count += cost.count;
  sum.seconds += cost.seconds;
  sum.user_seconds += cost.user_seconds;
  sum.cpu_seconds += cost.cpu_seconds;
}

struct Kind {
  std::string name;
  std::string path;
};

std::vector<Kind> make_written(const Settings& settings) {
  std::vector<Kind> kinds = {{"fixed", settings.folder.file("fixed.vhd")},
                             {"dynamic", settings.folder.file("dynamic.vhd")},
                             {"differencing", settings.folder.file("child.vhd")}};
  const std::string parent = settings.folder.file("parent.vhd");
  make_fixed(kinds[0].path, settings.size_bytes, Fill::kWritten);
  make_dynamic(kinds[1].path, settings.size_bytes, Fill::kWritten);
  make_dynamic(parent, settings.size_bytes, Fill::kEmpty);
  make_child(kinds[2].path, parent, Fill::kWritten);
  for (const Kind& kind : kinds)
    evict(kind.path);
  return kinds;
}

std::vector<Work> works(const Settings& settings, bool is_write) {
  std::vector<Work> list;
  for (uint32_t depth : {1u, 32u}) {
    for (auto [bytes, is_random] :
         {std::pair{4096u, true}, {4096u, false}, {65536u, false}, {1u << 20, false}}) {
      Work work;
      work.is_write = is_write;
      work.is_random = is_random;
      work.bytes = bytes;
      work.depth = depth;
      work.region = settings.size_bytes;
      work.seconds = settings.seconds;
      list.push_back(work);
    }
  }
  return list;
}

// Processor time is counted in clock ticks, so one round says little about it.
Line compare_sums(const std::string& name, const std::string& unit, const Pair& pair,
                  const std::function<double(const Cost&)>& value) {
  const auto sum = [](const std::vector<Cost>& costs) {
    Cost all;
    for (const Cost& cost : costs)
      add(all, cost);
    return all;
  };
  Line line{name, unit, value(sum(pair.ours)), value(sum(pair.reference))};
  line.ratio = line.low = line.high = line.reference > 0 ? line.ours / line.reference : 1;
  line.better = Better::kLess;
  return line;
}

Pair measure(const Settings& settings, const std::string& path, const Work& work,
             EngineLoop& engine) {
  BareLoop bare = bare_loop_on_image(path, !work.is_write);
  return interleave_slices(
      settings, work, [&](const Work& slice) { return engine.run(slice, settings.buffers); },
      [&](const Work& slice) { return bare.run(slice, settings.buffers); });
}

}  // namespace

Pair interleave(unsigned rounds, const std::function<Cost()>& ours,
                const std::function<Cost()>& reference) {
  Pair pair;
  ours();
  reference();
  for (unsigned round = 0; round < rounds; ++round) {
    if (round % 2 == 0) pair.ours.push_back(ours());
    pair.reference.push_back(reference());
    if (round % 2 != 0) pair.ours.push_back(ours());
  }
  return pair;
}

Pair interleave_slices(const Settings& settings, const Work& work,
                       const std::function<Cost(const Work&)>& ours,
                       const std::function<Cost(const Work&)>& reference) {
  Work slice = work;
  slice.seconds /= kSlices;
  ours(slice);
  reference(slice);
  Pair pair;
  for (unsigned round = 0; round < settings.rounds; ++round) {
    Cost of_ours, of_reference;
    for (unsigned i = 0; i < kSlices; ++i) {
      ++slice.turn;
      if (i % 2 == 0) add(of_ours, ours(slice));
      add(of_reference, reference(slice));
      if (i % 2 != 0) add(of_ours, ours(slice));
    }
    pair.ours.push_back(of_ours);
    pair.reference.push_back(of_reference);
  }
  return pair;
}

Line compare(const std::string& name, const std::string& unit, const Pair& pair,
             const std::function<double(const Cost&)>& value) {
  std::vector<double> ours, reference, ratios;
  for (size_t i = 0; i < pair.ours.size(); ++i) {
    ours.push_back(value(pair.ours[i]));
    reference.push_back(value(pair.reference[i]));
    ratios.push_back(ours.back() / reference.back());
  }
  Line line;
  line.name = name;
  line.unit = unit;
  line.ours = median(ours);
  line.reference = median(reference);
  line.ratio = median(ratios);
  line.low = *std::min_element(ratios.begin(), ratios.end());
  line.high = *std::max_element(ratios.begin(), ratios.end());
  return line;
}

std::string name_of(const Work& work) {
  const std::string size = work.bytes >= 1u << 20 ? fmt::format("{} MiB", work.bytes >> 20)
                                                  : fmt::format("{} KiB", work.bytes >> 10);
  return fmt::format("{} {} {}, depth {}", size, work.is_random ? "random" : "sequential",
                     work.is_write ? "write" : "read", work.depth);
}

void measure_overwrites(const Settings& settings) {
  settings.report.heading("Overwrites of blocks that exist");
  for (const Kind& kind : make_written(settings)) {
    EngineLoop engine(kind.path, false);
    for (const Work& work : works(settings, true)) {
      const Pair pair = measure(settings, kind.path, work, engine);
      Line line = compare(fmt::format("{}: {}", kind.name, name_of(work)), "IO/s", pair,
                          [](const Cost& cost) { return cost.rate(); });
      line.line = kOverwriteLine;
      settings.report.add(line);
    }
  }
}

void measure_reads(const Settings& settings) {
  settings.report.heading("Reads");
  for (const Kind& kind : make_written(settings)) {
    EngineLoop engine(kind.path, true);
    for (const Work& work : works(settings, false)) {
      const Pair pair = measure(settings, kind.path, work, engine);
      const std::string name = fmt::format("{}: {}", kind.name, name_of(work));
      Line line = compare(name, "IO/s", pair, [](const Cost& cost) { return cost.rate(); });
      line.line = kReadLine;
      settings.report.add(line);
    }
  }
}

void measure_cpu(const Settings& settings) {
  settings.report.heading("Processor time of 4 KiB random reads at depth 32, over all rounds");
  for (const Kind& kind : make_written(settings)) {
    EngineLoop engine(kind.path, true);
    Work work;
    work.is_random = true;
    work.depth = 32;
    work.region = settings.size_bytes;
    work.seconds = 4 * settings.seconds;
    const Pair pair = measure(settings, kind.path, work, engine);
    Line line = compare(kind.name + ": user", "ns/IO", pair,
                        [](const Cost& cost) { return cost.user_ns(); });
    line.better = Better::kLess;
    line.line = kCpuLine;
    settings.report.add(line);
    line = compare_sums(kind.name + ": user and kernel", "ns/IO", pair,
                        [](const Cost& cost) { return cost.cpu_ns(); });
    settings.report.add(line);
  }
}

void measure_unaligned(const Settings& settings) {
  settings.report.heading("An old image whose blocks lie across pages; R at the same places");
  const std::string path = settings.folder.file("unaligned.vhd");
  make_unaligned(path, settings.size_bytes);
  evict(path);
  EngineLoop engine(path, true);
  for (const Work& work : works(settings, false)) {
    const Pair pair = measure(settings, path, work, engine);
    Line line = compare(fmt::format("unaligned: {}", name_of(work)), "IO/s", pair,
                        [](const Cost& cost) { return cost.rate(); });
    line.line = kUnalignedLine;
    settings.report.add(line);
  }
}

}  // namespace viridian::bench
