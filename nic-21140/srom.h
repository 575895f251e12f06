// The serial ROM on the 21140's board: a 93C46 (64 words of 16 bits) on the Microwire lines of
// CSR9, with contents as "Digital Semiconductor 21X4 Serial ROM Format", version 3, says.
//
// Called with the device's gate held. It is write-protected: commands other than READ do nothing
// and are ready at once.
#pragma once

#include <array>
#include <cstdint>

namespace viridian::tulip {

using MacAddress = std::array<uint8_t, 6>;

constexpr unsigned kSromWords = 64;
using SromImage = std::array<uint16_t, kSromWords>;

// One controller with one MII PHY that finds its speed by itself.
SromImage make_srom(const MacAddress& mac);

class Srom {
 public:
  explicit Srom(const SromImage& image) : image_(image) {}

  // The levels of chip select, clock and data in; acts on rising edges of the clock.
  void drive(bool select, bool clock, bool data_in) noexcept;
  // Pulled up while the chip does not drive it.
  bool data_out() const noexcept { return data_out_; }

 private:
  enum class State : uint8_t { kStandby, kCommand, kReading, kDone };
  void command(bool bit) noexcept;

  SromImage image_;
  State state_ = State::kStandby;
  bool clock_ = false;
  bool data_out_ = true;
  uint16_t shift_ = 0;
  unsigned bits_ = 0;
  unsigned address_ = 0;
};

}  // namespace viridian::tulip
