#include "ide-emu/bus_master.h"

#include "pci/register.h"

namespace viridian::ide {
namespace {

constexpr pci::RegisterSpec kCommandSpec = {bus_master::kCommand, "BMICX", 0,
                                            bus_master::kStart | bus_master::kToMemory, 0};
// The driver notes in two bits which drives can do DMA; the others are the engine's.
constexpr pci::RegisterSpec kStatusSpec = {bus_master::kStatus, "BMISX", 0,
                                           bus_master::kDrivesCapable,
                                           bus_master::kError | bus_master::kInterrupt};

}  // namespace

uint8_t BusMaster::read(unsigned offset) const noexcept {
  switch (offset) {
    case bus_master::kCommand:
      return command_;
    case bus_master::kStatus:
      return status_;
    case 4:
    case 5:
    case 6:
    case 7:
      return table_[offset - bus_master::kTable];
    default:
      return 0;
  }
}

BusMaster::Event BusMaster::write(unsigned offset, uint8_t value) noexcept {
  switch (offset) {
    case bus_master::kCommand: {
      const bool was_started = (command_ & bus_master::kStart) != 0;
      command_ = static_cast<uint8_t>(pci::after_write(kCommandSpec, command_, value));
      const bool started = (command_ & bus_master::kStart) != 0;
      if (started == was_started) return Event::kNone;
      if (!started) {
        status_ &= static_cast<uint8_t>(~bus_master::kActive);
        return Event::kStopped;
      }
      status_ |= bus_master::kActive;
      list_.start(static_cast<uint32_t>(table_[0]) | static_cast<uint32_t>(table_[1]) << 8 |
                  static_cast<uint32_t>(table_[2]) << 16 | static_cast<uint32_t>(table_[3]) << 24);
      return Event::kStarted;
    }
    case bus_master::kStatus:
      status_ = static_cast<uint8_t>(pci::after_write(kStatusSpec, status_, value));
      return Event::kNone;
    case 4:
      table_[0] = value & 0xFC;
      return Event::kNone;
    case 5:
    case 6:
    case 7:
      table_[offset - bus_master::kTable] = value;
      return Event::kNone;
    default:
      return Event::kNone;
  }
}

void BusMaster::fail() noexcept {
  status_ |= bus_master::kError;
  status_ &= static_cast<uint8_t>(~bus_master::kActive);
}

void BusMaster::drive_done() noexcept {
  if (list_.at_end()) status_ &= static_cast<uint8_t>(~bus_master::kActive);
}

}  // namespace viridian::ide
