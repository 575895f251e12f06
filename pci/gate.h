// The lock that makes one device's registers single-threaded: the platform holds it around every
// register access, and the device itself takes it when a completion re-enters from a reactor.
// Nothing may wait for I/O while it is held.
#pragma once

#include <mutex>

namespace viridian::pci {

using Gate = std::mutex;
using GateHold = std::lock_guard<Gate>;

}  // namespace viridian::pci
