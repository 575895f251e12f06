#include "vmm-minimal/acpi_pm.h"

#include <ctime>

namespace viridian::vmm {
namespace {

constexpr pci::PortRange kPorts[] = {{AcpiPm::kBase, 12}};
constexpr uint64_t kNsPerSecond = 1'000'000'000;
// PM1 enable: timer, global lock, power and sleep button, RTC. PM1 control: what is kept of a
// write; SLP_EN always reads as 0, SCI_EN as 1 since there is no legacy mode.
constexpr uint16_t kEnableBits = 0x0721, kControlBits = 0x1C06;

uint64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

AcpiPm::AcpiPm(PowerControl& power, Clock now_ns)
    : power_(power), now_ns_(now_ns != nullptr ? now_ns : monotonic_ns) {}

std::span<const pci::PortRange> AcpiPm::port_ranges() const noexcept { return kPorts; }

uint32_t AcpiPm::timer() const noexcept {
  const uint64_t ns = now_ns_();
  // In two steps, so that nothing overflows in some centuries.
  return static_cast<uint32_t>(ns / kNsPerSecond * kTimerHz +
                               ns % kNsPerSecond * kTimerHz / kNsPerSecond);
}

// The block as 12 bytes: status, enable, control, 0, timer. Any width reads its bytes.
uint32_t AcpiPm::port_read(uint16_t port, unsigned width) noexcept {
  const unsigned offset = port - kBase;
  const uint32_t event = uint32_t{enable_} << 16;  // no event ever happens: the status is 0
  const uint32_t words[] = {event, control_, offset >= 8 ? timer() : 0};
  const uint32_t value = words[offset / 4] >> (offset % 4 * 8);
  return width == 4 ? value : value & ((1u << (8 * width)) - 1);
}

void AcpiPm::port_write(uint16_t port, unsigned width, uint32_t value) noexcept {
  if (port == kEvent && width == 4) {
    enable_ = static_cast<uint16_t>(value >> 16) & kEnableBits;
  } else if (port == kEvent + 2 && width == 2) {
    enable_ = static_cast<uint16_t>(value) & kEnableBits;
  } else if (port == kControl && width >= 2) {
    const auto control = static_cast<uint16_t>(value);
    control_ = (control & kControlBits) | kSciEnable;
    const bool is_off = (control >> kSleepTypeShift & 7) == kSleepTypeS5;
    if ((control & kSleepEnable) != 0 && is_off) power_.stop(StopReason::kPowerOff);
  }
}

void AcpiPm::reset() noexcept {
  enable_ = 0;
  control_ = kSciEnable;
}

}  // namespace viridian::vmm
