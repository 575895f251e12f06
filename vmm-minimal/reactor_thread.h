// The threads of the machine's devices are io's.
#pragma once

#include "io/reactor_thread.h"

namespace viridian::vmm {
using io::ReactorThread;
}  // namespace viridian::vmm
