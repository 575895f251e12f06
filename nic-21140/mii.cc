#include "nic-21140/mii.h"

namespace viridian::tulip {
namespace {

// IEEE 802.3, tables 22-6 to 22-8 and 28-2.
namespace reg {
constexpr unsigned kControl = 0, kStatus = 1, kId1 = 2, kId2 = 3, kAdvertisement = 4;
constexpr unsigned kPartner = 5, kExpansion = 6;
}  // namespace reg
constexpr uint16_t kControlReset = 0x3100;  // 100 Mbit/s, full duplex, negotiation on
constexpr uint16_t kControlWritable = 0x7D80;
constexpr uint16_t kControlResetBit = 0x8000;
constexpr uint16_t kAbilities = 0x7809;  // 10 and 100 Mbit/s, negotiation, extended registers
constexpr uint16_t kLinkUp = 0x0004, kNegotiated = 0x0020;
constexpr uint16_t kAdvertiseAll = 0x01E1, kAdvertiseWritable = 0x0FE0;
constexpr uint16_t kPartnerAll = 0x41E1;      // the same, and it has seen ours
constexpr uint16_t kPartnerNegotiates = 0x1;  // of the expansion register
constexpr uint16_t kIdHigh = 0x2000, kIdLow = 0x5C01;

constexpr unsigned kCommandBits = 12;  // operation, PHY, register
constexpr unsigned kOperationRead = 2, kOperationWrite = 1;
constexpr unsigned kDataBits = 16, kTurnaroundBits = 2;

}  // namespace

Mii::Mii() { reset(); }

void Mii::reset() noexcept {
  control_ = kControlReset;
  advertised_ = kAdvertiseAll;
}

void Mii::set_link(bool up) noexcept {
  link_ = up;
  if (!up) link_was_lost_ = true;
}

void Mii::drive(bool clock, bool data, bool read) noexcept {
  const bool rises = clock && !clock_;
  clock_ = clock;
  if (!rises) return;
  switch (state_) {
    case State::kIdle:
      if (!read && !data) state_ = State::kStart;
      return;
    case State::kStart:  // a frame starts with 01, after any number of ones
      if (read) {
        state_ = State::kIdle;
      } else if (data) {
        state_ = State::kCommand;
        shift_ = 0;
        bits_ = 0;
      }
      return;
    case State::kCommand:
      if (read) {
        state_ = State::kIdle;
      } else {
        command(data);
      }
      return;
    case State::kReading:  // the zero of the turnaround, the data, and let go
      if (!read) {
        state_ = State::kIdle;
        data_out_ = true;
        return;
      }
      data_out_ = bits_ > kDataBits || (shift_ & 0x10000) != 0;
      shift_ <<= 1;
      if (bits_++ > kDataBits) state_ = State::kIdle;
      return;
    case State::kWriting:
      if (read) {
        state_ = State::kIdle;
        return;
      }
      shift_ = shift_ << 1 | (data ? 1 : 0);
      if (++bits_ < kTurnaroundBits + kDataBits) return;
      state_ = State::kIdle;
      if (phy_ == kPhyAddress) write_register(register_, static_cast<uint16_t>(shift_));
      return;
  }
}

void Mii::command(bool bit) noexcept {
  shift_ = shift_ << 1 | (bit ? 1 : 0);
  if (++bits_ < kCommandBits) return;
  const unsigned operation = shift_ >> 10 & 3;
  phy_ = shift_ >> 5 & 31;
  register_ = shift_ & 31;
  bits_ = 0;
  state_ = State::kIdle;
  if (operation == kOperationWrite) {
    state_ = State::kWriting;
    shift_ = 0;
  } else if (operation == kOperationRead && phy_ == kPhyAddress) {
    state_ = State::kReading;
    shift_ = read_register(register_);
  }
}

uint16_t Mii::read_register(unsigned index) noexcept {
  switch (index) {
    case reg::kControl:
      return control_;
    case reg::kStatus: {
      const bool up = link_ && !link_was_lost_;
      link_was_lost_ = !link_;
      return static_cast<uint16_t>(kAbilities | (up ? kLinkUp : 0) | (link_ ? kNegotiated : 0));
    }
    case reg::kId1:
      return kIdHigh;
    case reg::kId2:
      return kIdLow;
    case reg::kAdvertisement:
      return advertised_;
    case reg::kPartner:
      return link_ ? kPartnerAll : uint16_t{0};
    case reg::kExpansion:
      return link_ ? kPartnerNegotiates : uint16_t{0};
    default:
      return 0;
  }
}

void Mii::write_register(unsigned index, uint16_t value) noexcept {
  if (index == reg::kControl) {
    if ((value & kControlResetBit) != 0) return reset();
    control_ = value & kControlWritable;
  } else if (index == reg::kAdvertisement) {
    advertised_ = static_cast<uint16_t>((value & kAdvertiseWritable) | 1);
  }
}

}  // namespace viridian::tulip
