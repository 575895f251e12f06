// How large the suites are that count in thousands: VIRIDIAN_TEST_FACTOR multiplies them. 1 is what
// a release build runs; 10 is for a long night, 0.02 for a build that is fifty times as slow.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace viridian {

inline double test_factor() {
  const char* text = std::getenv("VIRIDIAN_TEST_FACTOR");
  const double factor = text == nullptr ? 1 : std::atof(text);
  return factor > 0 ? factor : 1;
}

inline unsigned scaled(unsigned count) {
  return std::max(1u, static_cast<unsigned>(count * test_factor()));
}

}  // namespace viridian
