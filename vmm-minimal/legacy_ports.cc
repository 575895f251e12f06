#include "vmm-minimal/legacy_ports.h"

namespace viridian::vmm {
namespace {

constexpr uint16_t kKeyboardData = 0x60, kKeyboardCommand = 0x64;
constexpr uint16_t kPost = 0x80, kSystemControl = 0x92, kResetControl = 0xCF9;
constexpr uint8_t kKeyboardResetCommand = 0xFE;
constexpr uint8_t kFastReset = 0x01, kA20 = 0x02;  // port 92h; the A20 gate is always open
constexpr uint8_t kResetCpu = 0x04;                // CF9h: a rise resets
constexpr uint8_t kResetControlBits = 0x0E;
constexpr pci::PortRange kPorts[] = {
    {kKeyboardData, 1}, {kKeyboardCommand, 1}, {kPost, 1}, {kSystemControl, 1}, {kResetControl, 1},
};

}  // namespace

std::span<const pci::PortRange> LegacyPorts::port_ranges() const noexcept { return kPorts; }

uint32_t LegacyPorts::port_read(uint16_t port, unsigned) noexcept {
  switch (port) {
    case kPost:
      return post_code_;
    case kSystemControl:
      return kA20;
    case kResetControl:
      return reset_control_;
    default:
      return 0;  // keyboard: nothing to read, ready for a command
  }
}

void LegacyPorts::port_write(uint16_t port, unsigned, uint32_t value) noexcept {
  const auto byte = static_cast<uint8_t>(value);
  switch (port) {
    case kKeyboardCommand:
      if (byte == kKeyboardResetCommand) power_.stop(StopReason::kReset);
      break;
    case kSystemControl:
      if ((byte & kFastReset) != 0) power_.stop(StopReason::kReset);
      break;
    case kResetControl:
      if ((byte & ~reset_control_ & kResetCpu) != 0) power_.stop(StopReason::kReset);
      reset_control_ = byte & kResetControlBits;
      break;
    case kPost:
      post_code_ = byte;
      break;
    default:
      break;
  }
}

void LegacyPorts::reset() noexcept { post_code_ = reset_control_ = 0; }

}  // namespace viridian::vmm
