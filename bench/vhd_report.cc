#include "bench/vhd_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "bench/vhd_load.h"

namespace viridian::bench {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Report::Report(const std::string& json_path, bool markdown) : markdown_(markdown) {
  if (json_path.empty()) return;
  json_ = std::fopen(json_path.c_str(), "w");
  if (json_ == nullptr) give_up(json_path + ": cannot be written");
}

Report::~Report() {
  if (json_ != nullptr) std::fclose(json_);
}

void Report::heading(const std::string& text) {
  rows_.push_back(fmt::format("| **{}** | | |", text));
  fmt::print("\n== {}\n{:<46} {:>10} {:>10} {:<8} {:>6}  {:<13} {:>7}\n", text, "case", "ours", "R",
             "unit", "ratio", "lowest-highest", "line");
}

void Report::note(const std::string& text) { fmt::print("   {}\n", text); }

void Report::add(const Line& line) {
  const bool is_judged = line.line > 0;
  const bool is_met =
      line.better == Better::kMore ? line.ratio >= line.line : line.ratio <= line.line;
  const char* verdict = !is_judged ? "" : is_met ? "met" : "MISSED";
  const std::string wanted =
      is_judged ? fmt::format("{} {:.2f}", line.better == Better::kMore ? ">=" : "<=", line.line)
                : "-";
  fmt::print("{:<46} {:>10.4g} {:>10.4g} {:<8} {:>6.3f}  {:.2f}-{:<8.2f} {:>8} {}\n", line.name,
             line.ours, line.reference, line.unit, line.ratio, line.low, line.high, wanted,
             verdict);
  std::fflush(stdout);
  const char* missed = is_judged && !is_met ? ": **missed**" : "";
  rows_.push_back(fmt::format("| {} | {:.2f} ({:.2f}-{:.2f}){}; {:.4g} and {:.4g} {} | {} |",
                              line.name, line.ratio, line.low, line.high, missed, line.ours,
                              line.reference, line.unit, wanted));
  if (is_judged) ++judged_;
  if (is_judged && !is_met) missed_.push_back(fmt::format("{} ({:.3f})", line.name, line.ratio));
  if (json_ == nullptr) return;
  fmt::print(json_,
             "{{\"case\":\"{}\",\"unit\":\"{}\",\"ours\":{:.6g},\"reference\":{:.6g},"
             "\"ratio\":{:.4f},\"low\":{:.4f},\"high\":{:.4f},\"line\":{},\"verdict\":\"{}\"}}\n",
             line.name, line.unit, line.ours, line.reference, line.ratio, line.low, line.high,
             is_judged ? fmt::format("{}", line.line) : "null", verdict);
  std::fflush(json_);
}

bool Report::end() {
  fmt::print("\n{} of {} lines missed\n", missed_.size(), judged_);
  for (const std::string& line : missed_)
    fmt::print("  {}\n", line);
  if (!markdown_) return missed_.empty();
  fmt::print("\n| case | ours / R, median (lowest to highest); ours and R | line |\n");
  fmt::print("|---|---|---|\n");
  for (const std::string& row : rows_)
    fmt::print("{}\n", row);
  return missed_.empty();
}

}  // namespace viridian::bench
