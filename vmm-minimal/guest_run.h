// The guests of a process, from set-up to their end: one on the terminal, or several side by side,
// each with a thread of its own that builds, runs and rebuilds its machine.
#pragma once

#include <chrono>

#include "vmm-minimal/config.h"

namespace viridian::vmm {

// The program's exit code: of several guests, the first that is not 0. An error: the set-up failed.
Result<int> run_guests(const Setup& setup, std::chrono::steady_clock::time_point start);

}  // namespace viridian::vmm
