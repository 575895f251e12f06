// One line for each figure of bench/vhd_speed: what was measured, ours, the reference, their ratio,
// the line of the plan, and whether it is met. For a person, and as JSON lines for a program.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace viridian::bench {

enum class Better : bool { kMore, kLess };

struct Line {
  std::string name;
  std::string unit;  // of `ours` and `reference`
  double ours = 0;
  double reference = 0;
  double ratio = 0;
  double low = 0, high = 0;  // the ratios of the single rounds
  double line = 0;           // 0: there is none
  Better better = Better::kMore;
};

class Report {
 public:
  // `json_path` may be empty. `markdown`: end() prints all lines as a table for docs/vhd.md.
  Report(const std::string& json_path, bool markdown);
  ~Report();
  Report(const Report&) = delete;

  void heading(const std::string& text);
  void note(const std::string& text);
  void add(const Line& line);
  // Ends with the lines that were missed; true if none was.
  bool end();

 private:
  std::FILE* json_ = nullptr;
  bool markdown_;
  std::vector<std::string> rows_;
  std::vector<std::string> missed_;
  size_t judged_ = 0;
};

double median(std::vector<double> values);

}  // namespace viridian::bench
