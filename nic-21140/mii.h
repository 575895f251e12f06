// A PHY behind the management interface of CSR9: IEEE 802.3, clause 22.2.4, bit by bit.
//
// It negotiates at once, with a partner that can do 100 Mbit/s in full duplex. Left out: everything
// that has no meaning without a cable; registers above 6 read as zero. Called with the gate held.
#pragma once

#include <array>
#include <cstdint>

namespace viridian::tulip {

constexpr unsigned kPhyAddress = 1;

class Mii {
 public:
  Mii();

  // The levels of CSR9's lines; acts on rising edges of the clock. `read`: the PHY has the line.
  void drive(bool clock, bool data, bool read) noexcept;
  // What the PHY says; pulled up while it says nothing.
  bool data_out() const noexcept { return data_out_; }

  void set_link(bool up) noexcept;
  bool link() const noexcept { return link_; }
  void reset() noexcept;

 private:
  enum class State : uint8_t { kIdle, kStart, kCommand, kReading, kWriting };
  void command(bool bit) noexcept;
  uint16_t read_register(unsigned index) noexcept;
  void write_register(unsigned index, uint16_t value) noexcept;

  State state_ = State::kIdle;
  bool clock_ = false;
  bool data_out_ = true;
  uint32_t shift_ = 0;
  unsigned bits_ = 0;
  unsigned phy_ = 0, register_ = 0;

  bool link_ = true;
  bool link_was_lost_ = false;  // the status bit stays low until it was read
  uint16_t control_ = 0, advertised_ = 0;
};

}  // namespace viridian::tulip
