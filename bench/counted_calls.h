// Counts what a data path must not do: allocations and locks of the whole process.
//
// A program that contains counted_calls.cc has its malloc family and its pthread locks replaced by
// ones that count and go on to the C library's. With a sanitizer, which replaces them itself,
// nothing is counted: see kCallsAreCounted.
#pragma once

#include <cstdint>

namespace viridian::bench {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
constexpr bool kCallsAreCounted = false;  // clang builds are there for fuzzing and linting
#else
constexpr bool kCallsAreCounted = true;
#endif

struct CallCounts {
  uint64_t allocations = 0;
  uint64_t locks = 0;
};

CallCounts counted_calls() noexcept;  // since the program began

}  // namespace viridian::bench
