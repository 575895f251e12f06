// The causes of CSR5, the enables of CSR7 and the interrupt line: "21140A Hardware Reference
// Manual", sections 3.2.2.6 and 4.3.3. Called with the gate held.
//
// The two summary bits show whether any cause of their kind is pending, enabled or not, so that a
// driver that polls sees them. The line is asserted while a cause and the summary of its kind are
// both enabled: a masked cause never interrupts.
#pragma once

#include <cstdint>

#include "nic-21140/statistics.h"
#include "pci/interrupt_line.h"

namespace viridian::tulip {

class Interrupts {
 public:
  Interrupts(pci::InterruptLine& line, Statistics& statistics)
      : line_(line), statistics_(statistics) {}

  // Remembers; the line changes at the next update(), once for a burst.
  void raise(uint32_t causes) noexcept { pending_ |= causes; }
  void acknowledge(uint32_t causes) noexcept { pending_ &= ~causes; }
  void enable(uint32_t mask) noexcept { enabled_ = mask; }
  void reset() noexcept { pending_ = enabled_ = 0; }

  // The low seventeen bits of CSR5.
  uint32_t causes() const noexcept;
  void update() noexcept;

 private:
  pci::InterruptLine& line_;
  Statistics& statistics_;
  uint32_t pending_ = 0, enabled_ = 0;
  bool asserted_ = false;
};

}  // namespace viridian::tulip
