#include "nic-21140/srom.h"

#include <algorithm>
#include <span>

#include "nic-21140/crc.h"

namespace viridian::tulip {
namespace {

constexpr unsigned kAddressBits = 6, kCommandBits = 2 + kAddressBits, kWordBits = 16;
constexpr unsigned kOpcodeRead = 2;

using Bytes = std::array<uint8_t, 2 * kSromWords>;

// Byte offsets of the format.
constexpr size_t kIdBlockCrc = 16, kFormatVersion = 18, kControllers = 19, kAddress = 20;
constexpr size_t kDeviceNumber = 26, kLeafOffset = 27, kLeaf = 30, kChecksum = 126;

// Media autosense; all pins of the general purpose port are inputs; one block: extended, type 1
// (MII), PHY 1, no GPIO and no reset sequence, 10 and 100 Mbit/s in half and full duplex.
constexpr std::array<uint8_t, 17> kMediaLeaf = {0x00, 0x08, 0x00, 0x01, 0x8C, 0x01,
                                                0x01, 0x00, 0x00, 0x00, 0x78, 0xE0,
                                                0x01, 0x00, 0x50, 0x00, 0x18};

// CRC-8 (x^8 + x^2 + x + 1, from FFh) over the words' bits, high ones first.
uint8_t id_block_crc(const Bytes& bytes) {
  uint8_t crc = 0xFF;
  for (size_t i = 0; i <= kIdBlockCrc; ++i) {
    crc ^= bytes[i ^ 1];  // the high byte of each word comes first
    for (unsigned bit = 0; bit < 8; ++bit)
      crc = static_cast<uint8_t>((crc << 1) ^ ((crc & 0x80) != 0 ? 0x07 : 0));
  }
  return crc;
}

}  // namespace

SromImage make_srom(const MacAddress& mac) {
  Bytes bytes{};
  bytes[0] = 0x00, bytes[1] = 0x0A;  // subsystem 0A00:2114
  bytes[2] = 0x14, bytes[3] = 0x21;
  bytes[kFormatVersion] = 3;
  bytes[kControllers] = 1;
  std::copy(mac.begin(), mac.end(), bytes.begin() + kAddress);
  bytes[kDeviceNumber] = 0;
  bytes[kLeafOffset] = kLeaf;
  std::copy(kMediaLeaf.begin(), kMediaLeaf.end(), bytes.begin() + kLeaf);
  bytes[kIdBlockCrc] = id_block_crc(bytes);
  const uint32_t sum = frame_check_sequence(std::as_bytes(std::span(bytes).first(kChecksum)));
  bytes[kChecksum] = static_cast<uint8_t>(sum);
  bytes[kChecksum + 1] = static_cast<uint8_t>(sum >> 8);

  SromImage image;
  for (unsigned i = 0; i < kSromWords; ++i)
    image[i] = static_cast<uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
  return image;
}

void Srom::drive(bool select, bool clock, bool data_in) noexcept {
  const bool rises = clock && !clock_;
  clock_ = clock;
  if (!select) {
    state_ = State::kStandby;
    data_out_ = true;
    return;
  }
  if (!rises) return;
  switch (state_) {
    case State::kStandby:  // zeros before the start bit are no command
      if (!data_in) return;
      state_ = State::kCommand;
      shift_ = 0;
      bits_ = 0;
      return;
    case State::kCommand:
      command(data_in);
      return;
    case State::kReading:
      data_out_ = (shift_ & 0x8000) != 0;
      shift_ = static_cast<uint16_t>(shift_ << 1);
      if (++bits_ < kWordBits) return;
      address_ = (address_ + 1) % kSromWords;
      shift_ = image_[address_];
      bits_ = 0;
      return;
    case State::kDone:
      return;
  }
}

void Srom::command(bool bit) noexcept {
  shift_ = static_cast<uint16_t>(shift_ << 1 | (bit ? 1 : 0));
  if (++bits_ < kCommandBits) return;
  if (shift_ >> kAddressBits != kOpcodeRead) {
    state_ = State::kDone;
    return;
  }
  address_ = shift_ % kSromWords;
  state_ = State::kReading;
  data_out_ = false;  // the zero before the first bit: drivers find the width of addresses by it
  shift_ = image_[address_];
  bits_ = 0;
}

}  // namespace viridian::tulip
