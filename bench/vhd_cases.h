// The groups of figures that bench/vhd_speed can measure, and what they share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/vhd_files.h"
#include "bench/vhd_load.h"
#include "bench/vhd_report.h"

namespace viridian::bench {

struct Settings {
  const Folder& folder;
  const Buffers& buffers;
  Report& report;
  uint64_t size_bytes = 1u << 30;  // of the disks that are read and written
  unsigned rounds = 5;
  double seconds = 0.25;  // of one run
};

struct Pair {
  std::vector<Cost> ours;
  std::vector<Cost> reference;
};

// Runs both once unmeasured and then by turns, first one of them and then the other.
Pair interleave(unsigned rounds, const std::function<Cost()>& ours,
                const std::function<Cost()>& reference);

// The same for work that ends by time: each round is made of short slices of both by turns, so that
// what else the machine does meets both.
Pair interleave_slices(const Settings& settings, const Work& work,
                       const std::function<Cost(const Work&)>& ours,
                       const std::function<Cost(const Work&)>& reference);

// A line of the medians of `value`, and of the ratios of each round's two.
Line compare(const std::string& name, const std::string& unit, const Pair& pair,
             const std::function<double(const Cost&)>& value);

std::string name_of(const Work& work);  // "4 KiB random write, depth 32"

void measure_overwrites(const Settings& settings);
void measure_reads(const Settings& settings);
void measure_cpu(const Settings& settings);
void measure_fresh_writes(const Settings& settings);
void measure_chains(const Settings& settings);
void measure_opening(const Settings& settings);
void measure_unaligned(const Settings& settings);
void measure_queues(const Settings& settings);
void measure_zeroes(const Settings& settings);

}  // namespace viridian::bench
