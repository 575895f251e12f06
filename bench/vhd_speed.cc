// How fast is the VHD engine, as a ratio to raw io_uring on the same file in the same run?
//
// Prints one line for each case: ours, the reference R, their ratio (the median of the rounds'),
// and the plan's line. Times are noisy on a shared machine: what counts are the ratios, and their
// spread is printed too. With --folder on a RAM file system it shows the cost of the software
// alone. Exits 1 if a line was missed.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>

#include "bench/vhd_cases.h"

namespace viridian::bench {
namespace {

struct Group {
  const char* name;
  void (*measure)(const Settings&);
};

constexpr Group kGroups[] = {
    {"overwrites", measure_overwrites}, {"reads", measure_reads},   {"cpu", measure_cpu},
    {"fresh", measure_fresh_writes},    {"chains", measure_chains}, {"opening", measure_opening},
    {"unaligned", measure_unaligned},   {"queues", measure_queues}, {"zeroes", measure_zeroes},
};

int run(int argc, char** argv) {
  CLI::App app{"Measures the VHD engine against raw io_uring on the same file."};
  std::string parent = "/var/tmp";
  std::string json;
  uint64_t size_mib = 1024;
  unsigned rounds = 5;
  unsigned milliseconds = 250;
  std::vector<std::string> only;
  bool is_quick = false;
  bool is_markdown = false;
  app.add_option("--folder", parent, "where the files go, up to four times the size")
      ->capture_default_str();
  app.add_option("--size", size_mib, "MiB of each disk")->capture_default_str();
  app.add_option("--rounds", rounds, "of each case")->capture_default_str();
  app.add_option("--time", milliseconds, "ms of each run")->capture_default_str();
  app.add_option(
      "--only", only,
      "groups: overwrites, reads, cpu, fresh, chains, opening, unaligned, queues, zeroes");
  app.add_option("--json", json, "a file for JSON lines");
  app.add_flag("--quick", is_quick, "one short round: shows that it works");
  app.add_flag("--markdown", is_markdown, "a table for docs/vhd.md at the end");
  CLI11_PARSE(app, argc, argv);

  const Buffers buffers;
  Report report(json, is_markdown);
  const Folder folder(parent);
  Settings settings{folder, buffers, report};
  settings.size_bytes = (is_quick ? 128 : size_mib) << 20;
  settings.rounds = is_quick ? 1 : rounds;
  settings.seconds = (is_quick ? 20 : milliseconds) * 1e-3;
  for (const Group& group : kGroups) {
    if (only.empty() || std::find(only.begin(), only.end(), group.name) != only.end()) {
      group.measure(settings);
    }
  }
  return report.end() ? 0 : 1;
}

}  // namespace
}  // namespace viridian::bench

int main(int argc, char** argv) { return viridian::bench::run(argc, argv); }
