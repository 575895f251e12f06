// A level-triggered interrupt input of the platform's interrupt controller.
#pragma once

namespace viridian::pci {

class InterruptLine {
 public:
  virtual ~InterruptLine() = default;
  // Any thread. Setting the level it already has does nothing.
  virtual void set(bool asserted) noexcept = 0;
};

}  // namespace viridian::pci
