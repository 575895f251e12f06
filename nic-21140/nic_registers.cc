// The CSRs of Nic: "21140A Hardware Reference Manual", chapter 3. Everything here runs with the
// gate held, most of it on a vCPU's thread.
#include <algorithm>

#include "nic-21140/nic.h"

namespace viridian::tulip {
namespace {

using std::chrono::nanoseconds;

constexpr unsigned kLongword = 4;

// Section 3.2.2.1, in the order of the field's values. The chip goes down to 12.8 us, where it
// would do nothing but ask; no driver can tell.
constexpr std::array<nanoseconds, 8> kAutoPollIntervals = {
    nanoseconds(0),       nanoseconds(200'000), nanoseconds(800'000), nanoseconds(1'600'000),
    nanoseconds(200'000), nanoseconds(200'000), nanoseconds(200'000), nanoseconds(200'000)};

// Section 3.2.2.12: one count, by speed and port.
constexpr nanoseconds kTimerUnitSerial(204'800), kTimerUnit10(819'200), kTimerUnit100(81'920);

}  // namespace

// Narrower reads get the bytes they name; what lies between the CSRs and behind them is ones.
uint32_t Nic::bar_read(unsigned, uint32_t offset, unsigned width) noexcept {
  const uint32_t ones = width == kLongword ? ~0u : (1u << (8 * width)) - 1;
  const unsigned lane = offset % csr_offset(1);
  if (offset >= kCsrBytes || lane + width > kLongword) {
    core_.statistics.errors.count(GuestError::kRegisterAccess);
    return ones;
  }
  return read_csr(offset / csr_offset(1)) >> (8 * lane) & ones;
}

// The manual allows longwords only; a narrower write does nothing.
void Nic::bar_write(unsigned, uint32_t offset, unsigned width, uint32_t value) noexcept {
  if (offset >= kCsrBytes || offset % csr_offset(1) != 0 || width != kLongword) {
    core_.statistics.errors.count(GuestError::kRegisterAccess);
    return;
  }
  write_csr(offset / csr_offset(1), value);
}

uint32_t Nic::read_csr(unsigned number) noexcept {
  switch (number) {
    case 3:
      return receiver_.list().base();
    case 4:
      return transmitter_.list().base();
    case 5:
      return read_status();
    case 6:
      return core_.mode | core_.filter.csr6_bits();
    case 8:
      return kCsrs[8].reset | receiver_.take_missed();
    case 9:
      return read_serial();
    case 11:
      return read_timer();
    case 12: {
      const auto inputs = static_cast<uint8_t>(~pin_outputs_);  // nothing is connected: pulled up
      return (kCsrs[12].reset & ~0xFFu) | inputs | (pins_ & pin_outputs_);
    }
    default:
      return csr_[number];
  }
}

void Nic::write_csr(unsigned number, uint32_t value) noexcept {
  const uint32_t next = pci::after_write(kCsrs[number], csr_[number], value);
  switch (number) {
    case 0:
      return write_bus_mode(value);
    case 1:
      return transmit_bell_->notify();
    case 2:
      return receive_bell_->notify();
    case 3:
      return receiver_.list().set_base(next);
    case 4:
      return transmitter_.list().set_base(next);
    case 5:
      core_.interrupts.acknowledge(value & kCsrs[5].write_one_clears);
      return core_.interrupts.update();
    case 6:
      return write_mode(value);
    case 7:
      csr_[7] = next;
      core_.interrupts.enable(next & kCsrs[7].writable);
      return core_.interrupts.update();
    case 9:
      return write_serial(next);
    case 11:
      return write_timer(next);
    case 12:
      return write_pins(value);
    default:
      csr_[number] = next;
  }
}

uint32_t Nic::read_status() const noexcept {
  uint32_t value = kCsrs[5].reset | core_.interrupts.causes();
  value = csr5::ReceiveState::with(value, static_cast<uint32_t>(receiver_.state()));
  value = csr5::TransmitState::with(value, static_cast<uint32_t>(transmitter_.state()));
  if ((value & cause::kFatalBusError) != 0) {
    value = csr5::ErrorBits::with(value, csr5::kMasterAbort);
  }
  return value;
}

// The reset bit is done with at once and reads as zero.
void Nic::write_bus_mode(uint32_t value) noexcept {
  if ((value & csr0::kSoftwareReset) != 0) return software_reset();
  csr_[0] = pci::after_write(kCsrs[0], csr_[0], value);
  const uint32_t gap = kLongword * csr0::SkipLength::get(value);
  transmitter_.list().set_gap(gap);
  receiver_.list().set_gap(gap);
  const nanoseconds interval = kAutoPollIntervals[csr0::AutoPoll::get(value)];
  auto_poll_->set(interval, interval);
}

void Nic::write_mode(uint32_t value) noexcept {
  const uint32_t before = core_.mode;
  core_.mode = pci::after_write(kCsrs[6], before, value);
  const uint32_t changed = before ^ core_.mode;
  if ((changed & csr6::kStartReceive) != 0) {
    (core_.mode & csr6::kStartReceive) != 0 ? receiver_.start() : receiver_.stop();
  }
  if ((changed & csr6::kStartTransmit) != 0) {
    if ((core_.mode & csr6::kStartTransmit) == 0) {
      transmitter_.stop();
    } else {
      transmitter_.start();
      transmit_bell_->notify();
    }
  }
  core_.interrupts.update();
}

uint32_t Nic::read_serial() const noexcept {
  uint32_t value = csr_[9];
  if ((value & csr9::kSerialRom) != 0) {
    value &= ~csr9::kSromOut;
    if (srom_.data_out()) value |= csr9::kSromOut;
  }
  return mii_.data_out() ? value | csr9::kMdi : value & ~csr9::kMdi;
}

void Nic::write_serial(uint32_t value) noexcept {
  csr_[9] = value;
  const bool selected = (value & csr9::kSerialRom) != 0;
  srom_.drive(selected && (value & csr9::kSromSelect) != 0, (value & csr9::kSromClock) != 0,
              (value & csr9::kSromIn) != 0);
  mii_.drive((value & csr9::kMdc) != 0, (value & csr9::kMdo) != 0, (value & csr9::kMiiRead) != 0);
}

nanoseconds Nic::timer_unit() const noexcept {
  if ((core_.mode & csr6::kPortSelect) == 0) return kTimerUnitSerial;
  return (core_.mode & csr6::kTransmitThresholdMode) != 0 ? kTimerUnit10 : kTimerUnit100;
}

void Nic::write_timer(uint32_t value) noexcept {
  csr_[11] = value;
  const nanoseconds delay = timer_unit() * csr11::Count::get(value);
  timer_on_ = delay.count() != 0;
  timer_->set(delay, (value & csr11::kContinuous) != 0 ? delay : nanoseconds(0));
}

// The count goes down to zero.
uint32_t Nic::read_timer() const noexcept {
  const nanoseconds unit = timer_unit();
  const nanoseconds left = timer_on_ ? timer_->remaining() : nanoseconds(0);
  const auto count = static_cast<uint64_t>((left + unit - nanoseconds(1)) / unit);
  const auto shown = static_cast<uint32_t>(std::min<uint64_t>(count, csr11::Count::kMask));
  return csr11::Count::with(csr_[11], shown);
}

void Nic::write_pins(uint32_t value) noexcept {
  ((value & csr12::kControl) != 0 ? pin_outputs_ : pins_) = static_cast<uint8_t>(value);
}

// Section 3.2.2.1: everything but the port select, and the PHY, which is another chip. The lists
// stay where they are and are begun anew.
void Nic::software_reset() noexcept {
  for (unsigned i = 0; i < kCsrCount; ++i)
    csr_[i] = kCsrs[i].reset;
  core_.mode = kCsrs[6].reset | (core_.mode & csr6::kPortSelect);
  core_.failed = false;
  core_.filter.reset();
  transmitter_.reset();
  receiver_.reset();
  transmitter_.list().set_gap(0);
  receiver_.list().set_gap(0);
  pins_ = pin_outputs_ = 0;
  timer_on_ = false;
  timer_->set(nanoseconds(0));
  auto_poll_->set(nanoseconds(0));
  core_.interrupts.reset();
  core_.interrupts.update();
}

void Nic::reset() noexcept {
  config_.reset();
  core_.bus_master = false;
  core_.mode = 0;
  software_reset();
  transmitter_.list().set_base(0);
  receiver_.list().set_base(0);
  srom_.drive(false, false, false);
  mii_.reset();
}

}  // namespace viridian::tulip
