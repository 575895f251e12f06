#include "bench/vhd_load.h"

#include <fmt/core.h>

#include <cstdlib>

#include "bench/user_time.h"

namespace viridian::bench {

void give_up(const std::string& what) {
  fmt::print(stderr, "vhd_speed: {}\n", what);
  std::exit(2);
}

Cost EngineLoop::run(Work work, const Buffers& buffers) {
  work.user_time_ns = user_time_ns;
  return must(loop_.run(work, buffers));
}

Cost BareLoop::run(Work work, const Buffers& buffers) {
  work.user_time_ns = user_time_ns;
  return must(loop_.run(work, buffers));
}

}  // namespace viridian::bench
