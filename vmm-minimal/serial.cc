#include "vmm-minimal/serial.h"

#include <unistd.h>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

// Registers, as offsets; with DLAB the first two are the divisor's halves.
constexpr unsigned kData = 0, kInterruptEnable = 1, kInterruptId = 2, kLineControl = 3;
constexpr unsigned kModemControl = 4, kLineStatus = 5, kModemStatus = 6, kScratch = 7;

constexpr uint8_t kEnableReceived = 1, kEnableTransmitEmpty = 2;
constexpr uint8_t kNoInterrupt = 1, kCauseTransmitEmpty = 2, kCauseReceived = 4;
constexpr uint8_t kFifosEnabled = 0xC0;
constexpr uint8_t kFifoEnable = 1, kFifoClearReceived = 2, kFifoClearTransmit = 4;
constexpr uint8_t kDivisorAccess = 0x80;
constexpr uint8_t kDataReady = 1, kTransmitterReady = 0x20, kTransmitterIdle = 0x40;
constexpr uint8_t kModemOut2 = 8, kModemLoopback = 0x10;
constexpr uint8_t kCarrierDsrCts = 0xB0;  // a terminal that is there and ready

constexpr std::array<pci::PortRange, 1> kRanges = {{{kSerialPort, 8}}};

}  // namespace

Serial::Serial(pci::InterruptLine& irq, int output_event)
    : irq_(irq), output_event_(output_event) {}

std::span<const pci::PortRange> Serial::port_ranges() const noexcept { return kRanges; }

size_t Serial::take_output(std::span<std::byte> into) noexcept {
  const pci::GateHold hold(gate_);
  const bool was_full = transmitted_.space() == 0;
  const size_t count = transmitted_.pop(into);
  if (was_full && count > 0) {
    transmit_empty_pending_ = true;
    update_interrupt();
  }
  return count;
}

size_t Serial::give_input(std::span<const std::byte> bytes) noexcept {
  const pci::GateHold hold(gate_);
  const size_t count = received_.push(bytes);
  bytes_in_ += count;
  update_interrupt();
  return count;
}

size_t Serial::input_space() const noexcept {
  const pci::GateHold hold(gate_);
  return received_.space();
}

// The registers are bytes; a wider access reaches as many of them.
uint32_t Serial::port_read(uint16_t port, unsigned width) noexcept {
  uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) {
    const unsigned index = port - kSerialPort + i;
    const uint32_t byte = index < 8 ? read_register(index) : 0xFF;
    value |= byte << (8 * i);
  }
  return value;
}

void Serial::port_write(uint16_t port, unsigned width, uint32_t value) noexcept {
  for (unsigned i = 0; i < width; ++i) {
    const unsigned index = port - kSerialPort + i;
    if (index < 8) write_register(index, static_cast<uint8_t>(value >> (8 * i)));
  }
}

uint8_t Serial::read_register(unsigned index) noexcept {
  const bool divisor = (line_control_ & kDivisorAccess) != 0;
  switch (index) {
    case kData: {
      if (divisor) return static_cast<uint8_t>(divisor_);
      std::byte byte{0};
      received_.pop(std::span(&byte, 1));
      update_interrupt();
      return static_cast<uint8_t>(byte);
    }
    case kInterruptEnable:
      return divisor ? static_cast<uint8_t>(divisor_ >> 8) : interrupt_enable_;
    case kInterruptId: {
      const uint8_t cause = interrupt_cause();
      if (cause == kCauseTransmitEmpty) {
        transmit_empty_pending_ = false;
        update_interrupt();
      }
      return cause | ((fifo_control_ & kFifoEnable) != 0 ? kFifosEnabled : uint8_t{0});
    }
    case kLineControl:
      return line_control_;
    case kModemControl:
      return modem_control_;
    case kLineStatus:
      return line_status();
    case kModemStatus:
      return modem_status();
    case kScratch:
      return scratch_;
    default:
      return 0xFF;
  }
}

void Serial::write_register(unsigned index, uint8_t value) noexcept {
  const bool divisor = (line_control_ & kDivisorAccess) != 0;
  switch (index) {
    case kData:
      if (divisor) {
        divisor_ = static_cast<uint16_t>((divisor_ & 0xFF00) | value);
      } else {
        transmit(value);
      }
      break;
    case kInterruptEnable:
      if (divisor) {
        divisor_ = static_cast<uint16_t>((divisor_ & 0xFF) | value << 8);
        break;
      }
      // Enabling the interrupt while the transmitter is empty raises it: drivers rely on it.
      if ((value & ~interrupt_enable_ & kEnableTransmitEmpty) != 0 && transmitted_.space() > 0) {
        transmit_empty_pending_ = true;
      }
      interrupt_enable_ = value & 0x0F;
      update_interrupt();
      break;
    case kInterruptId:  // FCR when written; output that is queued counts as sent
      fifo_control_ = value & static_cast<uint8_t>(~(kFifoClearReceived | kFifoClearTransmit));
      if ((value & kFifoClearReceived) != 0) received_.clear();
      update_interrupt();
      break;
    case kLineControl:
      line_control_ = value;
      break;
    case kModemControl:
      modem_control_ = value & 0x1F;
      update_interrupt();
      break;
    case kScratch:
      scratch_ = value;
      break;
    default:
      break;  // the status registers cannot be written
  }
}

void Serial::transmit(uint8_t byte) noexcept {
  const auto data = std::byte{byte};
  if ((modem_control_ & kModemLoopback) != 0) {
    received_.push(std::span(&data, 1));
  } else {
    const bool was_empty = transmitted_.size() == 0;
    if (transmitted_.push(std::span(&data, 1)) == 0) {
      ++bytes_lost_;
    } else {
      ++bytes_out_;
    }
    if (was_empty && output_event_ >= 0) {
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(output_event_, &one, sizeof(one));
    }
  }
  transmit_empty_pending_ = transmitted_.space() > 0;
  update_interrupt();
}

uint8_t Serial::line_status() const noexcept {
  uint8_t status = received_.size() > 0 ? kDataReady : uint8_t{0};
  if (transmitted_.space() > 0) status |= kTransmitterReady | kTransmitterIdle;
  return status;
}

// In loopback the modem's outputs are its inputs: DTR-DSR, RTS-CTS, OUT1-RI, OUT2-DCD.
uint8_t Serial::modem_status() const noexcept {
  if ((modem_control_ & kModemLoopback) == 0) return kCarrierDsrCts;
  const unsigned out = modem_control_;
  return static_cast<uint8_t>((out & 1) << 5 | (out & 2) << 3 | (out & 4) << 4 | (out & 8) << 4);
}

uint8_t Serial::interrupt_cause() const noexcept {
  if ((interrupt_enable_ & kEnableReceived) != 0 && received_.size() > 0) return kCauseReceived;
  if ((interrupt_enable_ & kEnableTransmitEmpty) != 0 && transmit_empty_pending_) {
    return kCauseTransmitEmpty;
  }
  return kNoInterrupt;
}

// OUT2 gates the interrupt line on a PC.
void Serial::update_interrupt() noexcept {
  const bool enabled = (modem_control_ & kModemOut2) != 0 && (modem_control_ & kModemLoopback) == 0;
  irq_.set(enabled && interrupt_cause() != kNoInterrupt);
}

void Serial::append_stats(Stats& stats) const {
  const pci::GateHold hold(gate_);
  stats.push_back({"serial", "bytes_out", bytes_out_});
  stats.push_back({"serial", "bytes_in", bytes_in_});
  if (bytes_lost_ != 0) stats.push_back({"serial", "bytes_lost", bytes_lost_});
}

}  // namespace viridian::vmm
