// What the transmitter and the receiver of one 21140 share. Everything in it changes only with the
// device's gate held.
#pragma once

#include "base/guest_memory.h"
#include "nic-21140/address_filter.h"
#include "nic-21140/csr_spec.h"
#include "nic-21140/interrupts.h"
#include "nic-21140/statistics.h"

namespace viridian::tulip {

struct Core {
  Core(const GuestMemory& guest_memory, pci::InterruptLine& line)
      : memory(guest_memory), interrupts(line, statistics) {}

  // The guest gave the chip an address that is no memory. As after a master abort on the bus, both
  // processes stand until the guest resets the chip.
  void fail(GuestError reason) noexcept {
    statistics.errors.count(reason);
    failed = true;
    interrupts.raise(cause::kFatalBusError);
  }

  const GuestMemory& memory;
  Statistics statistics;
  Interrupts interrupts;
  AddressFilter filter;
  uint32_t mode = 0;        // CSR6
  bool bus_master = false;  // the guest lets the chip reach memory
  bool link = true;
  bool failed = false;
};

}  // namespace viridian::tulip
