// The registers of a channel and its interrupt line.
#include "ide-emu/channel.h"

namespace viridian::ide {

void Channel::attach(unsigned index, std::unique_ptr<Drive> drive) {
  drives_[index] = std::move(drive);
  drives_[index]->power_on();
  drives_[index]->soft_reset();
}

// Volume 2, clause 5.2: no drive drives an empty channel, whose pull-ups read as ones; a lone
// drive 0 answers zeroes for drive 1.
uint8_t Channel::floating() const noexcept { return selected_ == 1 && drives_[0] ? 0x00 : 0xFF; }

uint8_t Channel::status() const noexcept {
  const Drive* drive = selected();
  if (drive == nullptr) return floating();
  switch (phase_) {
    case Phase::kIdle:
      return drive->status;
    case Phase::kDataIn:
    case Phase::kDataOut:
      if (selected_ != active_) return drive->status;
      return static_cast<uint8_t>(drive->status | status_bit::kDrq);
    case Phase::kReset:
      if (!reset_both_ && selected_ != active_) return drive->status;
      return status_bit::kBusy;
    case Phase::kBusy:
    case Phase::kAwaitDma:
      return status_bit::kBusy | status_bit::kIdle;
  }
  return 0;
}

uint8_t Channel::read_alternate_status() noexcept {
  ++counters_.register_reads;
  return status();
}

uint8_t Channel::read_register(unsigned offset) noexcept {
  ++counters_.register_reads;
  if (offset == port::kStatus) {
    const uint8_t value = status();
    interrupting_[selected_] = false;
    update_line();
    return value;
  }
  Drive* drive = selected();
  if (drive == nullptr) return floating();
  if (offset == port::kError) return drive->error;
  // Bits 7 and 5 of the device register are obsolete and read as ones (volume 1, clause 6.2.4).
  if (offset == port::kDevice) return static_cast<uint8_t>(drive->task.device | 0xA0);
  const TaskFile::Pair* pair = drive->task.at(offset);
  if (pair == nullptr) return 0;
  return (control_ & control_bit::kHighOrder) != 0 ? pair->before : pair->now;
}

// Both drives latch every write; only the selected one executes a command.
void Channel::write_register(unsigned offset, uint8_t value) noexcept {
  ++counters_.register_writes;
  control_ &= static_cast<uint8_t>(~control_bit::kHighOrder);
  if (offset == port::kCommand) {
    write_command(value);
    return;
  }
  for (const auto& drive : drives_) {
    if (!drive) continue;
    if (offset == port::kDevice) drive->task.device = value;
    if (TaskFile::Pair* pair = drive->task.at(offset)) pair->push(value);
  }
  if (offset == port::kDevice) {
    selected_ = (value & device_bit::kDrive) != 0 ? 1 : 0;
    update_line();
  }
}

void Channel::write_control(uint8_t value) noexcept {
  ++counters_.register_writes;
  const bool was_reset = (control_ & control_bit::kSoftReset) != 0;
  control_ = value;
  const bool reset = (value & control_bit::kSoftReset) != 0;
  if (reset && !was_reset) begin_reset(true);
  if (!reset && was_reset) end_reset();
  update_line();
}

uint8_t Channel::bus_master_read(unsigned offset) noexcept {
  ++counters_.register_reads;
  return bus_master_.read(offset);
}

void Channel::bus_master_write(unsigned offset, uint8_t value) noexcept {
  ++counters_.register_writes;
  switch (bus_master_.write(offset, value)) {
    case BusMaster::Event::kNone:
      return;
    case BusMaster::Event::kStarted:
      move_dma();
      return;
    case BusMaster::Event::kStopped:
      // A stopped transfer cannot go on (clause 3.1), so the command it served is over. A request
      // that is out still owns its memory: the command ends with it.
      if (phase_ == Phase::kBusy && transfer_.dma) dma_cut_ = true;
      if (phase_ == Phase::kAwaitDma && begun_) finish(io::IoStatus::kAborted);
      return;
  }
}

void Channel::raise(unsigned drive) noexcept {
  interrupting_[drive] = true;
  update_line();
}

// The only place that drives the line: the selected drive's request, gated by nIEN.
void Channel::update_line() noexcept {
  const bool level = selected() != nullptr && interrupting_[selected_] &&
                     (control_ & control_bit::kNoInterrupt) == 0;
  if (level == line_level_) return;
  line_level_ = level;
  if (level) {
    ++counters_.interrupts;
    bus_master_.interrupt();
  }
  line_.set(level);
}

void Channel::reset() noexcept {
  control_ = 0;
  selected_ = 0;
  bus_master_.reset();
  for (const auto& drive : drives_) {
    if (drive) drive->power_on();
  }
  begin_reset(true);
  end_reset();
}

}  // namespace viridian::ide
