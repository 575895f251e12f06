#include "vhd/tool/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(200);

std::string time_left(double seconds) {
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{} h {:02} min left", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{} min {:02} s left", whole / 60, whole % 60);
  return fmt::format("{} s left", whole);
}

}  // namespace

Progress::Progress(uint64_t total_bytes)
    : total_bytes_(total_bytes), on_terminal_(::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::update(uint64_t done_bytes, uint64_t moved_bytes) {
  const Clock::time_point now = Clock::now();
  if (!on_terminal_ || now < next_) return;
  next_ = now + kInterval;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const auto done = static_cast<double>(done_bytes);
  const auto total = static_cast<double>(total_bytes_);
  std::string line = fmt::format("\r\x1b[K{}", size_text(done_bytes));
  if (total_bytes_ > 0) {
    line = fmt::format("\r\x1b[K{:3.0f} %  {} of {}", 100 * done / total, size_text(done_bytes),
                       size_text(total_bytes_));
  }
  if (seconds > 0.5 && done_bytes > 0) {
    const auto rate = static_cast<uint64_t>(static_cast<double>(moved_bytes) / seconds);
    line += fmt::format("  {}/s", size_text(rate));
    if (total_bytes_ > 0) line += "  " + time_left(seconds * (total - done) / done);
  }
  std::fputs(line.c_str(), stderr);
  shown_ = true;
}

}  // namespace viridian::vhd::tool
