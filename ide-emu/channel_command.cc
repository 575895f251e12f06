// How a channel's commands start and end, and its resets.
#include "ide-emu/channel.h"

namespace viridian::ide {

void Channel::write_command(uint8_t code) noexcept {
  Drive* drive = selected();
  if (code == command::kDiagnostic && phase_ == Phase::kIdle && !empty()) {
    ++counters_.other_commands;
    diagnose();
    return;
  }
  if (drive == nullptr) return;
  if (code == command::kDeviceReset && drive->takes_packets() && phase_ != Phase::kReset &&
      (phase_ == Phase::kIdle || active_ == selected_)) {
    ++counters_.other_commands;
    active_ = selected_;
    begin_reset(false);
    end_reset();
    return;
  }
  // Clause 5.3.4: the result of a command during another is the drive's choice. Ours: nothing.
  if (phase_ != Phase::kIdle) return;

  active_ = selected_;
  interrupting_[active_] = false;
  update_line();
  transfer_ = {};
  begun_ = dma_cut_ = false;
  const Outcome outcome = drive->command(code, buffer_, transfer_);
  count_command(code, outcome);
  begin(outcome);
}

void Channel::count_command(uint8_t code, Outcome outcome) noexcept {
  if ((drives_[active_]->status & status_bit::kErr) != 0 && outcome != Outcome::kTransfer) {
    return;  // begin() counts what was aborted
  }
  if (code == command::kPacket) {
    ++counters_.packets;
  } else if (outcome == Outcome::kTransfer && transfer_.disk && transfer_.op == io::IoOp::kFlush) {
    ++counters_.flushes;
  } else if (outcome == Outcome::kTransfer && transfer_.disk &&
             transfer_.flow == Transfer::Flow::kIn) {
    ++(transfer_.dma ? counters_.dma_reads : counters_.pio_reads);
  } else if (outcome == Outcome::kTransfer && transfer_.flow == Transfer::Flow::kOut) {
    ++(transfer_.dma ? counters_.dma_writes : counters_.pio_writes);
  } else {
    ++counters_.other_commands;
  }
}

void Channel::begin(Outcome outcome) noexcept {
  if (outcome != Outcome::kTransfer) {
    phase_ = Phase::kIdle;
    if ((drives_[active_]->status & status_bit::kErr) != 0) ++counters_.aborted;
    if (outcome == Outcome::kDone) raise(active_);
    return;
  }
  position_ = 0;
  drives_[active_]->status = status_bit::kIdle;
  drives_[active_]->error = 0;
  if (transfer_.dma) {
    phase_ = Phase::kAwaitDma;
    move_dma();
  } else {
    next_data();
  }
}

void Channel::finish(io::IoStatus result) noexcept {
  Drive& drive = *drives_[active_];
  drive.finish(result, transfer_);
  phase_ = Phase::kIdle;
  const bool failed = result != io::IoStatus::kOk;
  if (failed) ++counters_.aborted;
  if (transfer_.dma && !failed) bus_master_.drive_done();
  if (failed || transfer_.interrupt_at_end) raise(active_);
}

// Volume 2, clause 9.2. `both`: SRST of the channel; else DEVICE RESET of the active drive.
void Channel::begin_reset(bool both) noexcept {
  ++counters_.resets;
  phase_ = Phase::kReset;
  reset_both_ = both;
  if (both) {
    interrupting_ = {};
  } else {
    interrupting_[active_] = false;
  }
  update_line();
}

void Channel::end_reset() noexcept {
  if (phase_ != Phase::kReset || request_out_) return;  // request_done() comes back here
  if ((control_ & control_bit::kSoftReset) != 0) return;
  for (unsigned i = 0; i < kDriveCount; ++i) {
    if (!drives_[i] || !(reset_both_ || i == active_)) continue;
    if (reset_both_) drives_[i]->task.device = 0;
    drives_[i]->soft_reset();
  }
  if (reset_both_) selected_ = 0;
  phase_ = Phase::kIdle;
  update_line();
}

// EXECUTE DEVICE DIAGNOSTIC: both drives, whichever is selected; drive 0 interrupts.
void Channel::diagnose() noexcept {
  interrupting_ = {};
  for (const auto& drive : drives_) {
    if (!drive) continue;
    drive->task.device = 0;
    drive->soft_reset();
  }
  selected_ = active_ = 0;
  if (drives_[0]) raise(0);
  update_line();
}

}  // namespace viridian::ide
