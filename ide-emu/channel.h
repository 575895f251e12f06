// One IDE channel: registers, the phases of a command (ATA/ATAPI-7 volume 2, clause 5), the data
// port's buffer, the bus master, and the one disk request that can be out.
//
// Every member is called with the function's gate held, but for the disk request: it is submitted
// on the reactor's thread without the gate, and its end takes the gate. While it is out the channel
// is busy. A reset does not end before it, since it owns the buffer or names guest memory.
//
//   kIdle ── command ──> kBusy ── data for the guest ──> kDataIn ── block read ──> kBusy | kIdle
//                        kDataOut (waits for a block) ── block written ──> kBusy
//                        kAwaitDma (waits for the bus master) ── started ──> kBusy ──> kIdle
//   any ── SRST, DEVICE RESET ──> kReset ── no request out, SRST low ──> kIdle
#pragma once

#include <array>
#include <memory>

#include "base/guest_memory.h"
#include "ide-emu/bus_master.h"
#include "ide-emu/counters.h"
#include "ide-emu/drive.h"
#include "ide-emu/limits.h"
#include "pci/config_space.h"
#include "pci/gate.h"
#include "pci/interrupt_line.h"

namespace viridian::ide {

class Channel {
 public:
  struct Context {
    io::Reactor& reactor;
    const GuestMemory& memory;
    pci::Gate& gate;
    const pci::ConfigSpace& config;  // its bus-master bit
  };
  Channel(const Context& context, pci::InterruptLine& line) : context_(context), line_(line) {}

  Drive* drive(unsigned index) const noexcept { return drives_[index].get(); }
  void attach(unsigned index, std::unique_ptr<Drive> drive);

  // The command block but for the data port, by offset; and the control block's only register.
  uint8_t read_register(unsigned offset) noexcept;
  void write_register(unsigned offset, uint8_t value) noexcept;
  uint8_t read_alternate_status() noexcept;
  void write_control(uint8_t value) noexcept;

  // The data port. Beyond the end of a DRQ block reads give zeroes and writes are lost.
  void read_data(std::span<std::byte> into) noexcept;
  void write_data(std::span<const std::byte> from) noexcept;

  uint8_t bus_master_read(unsigned offset) noexcept;
  void bus_master_write(unsigned offset, uint8_t value) noexcept;
  // The configuration space's bus-master bit may have changed.
  void bus_master_enabled() noexcept { move_dma(); }

  void reset() noexcept;  // the machine's

  bool idle() const noexcept { return !request_out_; }
  const ChannelCounters& counters() const noexcept { return counters_; }

 private:
  enum class Phase : uint8_t { kIdle, kBusy, kDataIn, kDataOut, kAwaitDma, kReset };
  struct DiskRequest : io::IoRequest {
    Channel* channel = nullptr;
    io::BlockDevice* disk = nullptr;
  };

  Drive* selected() const noexcept { return drives_[selected_].get(); }
  bool empty() const noexcept { return !drives_[0] && !drives_[1]; }
  uint8_t floating() const noexcept;
  uint8_t status() const noexcept;

  // channel_command.cc
  void write_command(uint8_t code) noexcept;
  void count_command(uint8_t code, Outcome outcome) noexcept;
  void begin(Outcome outcome) noexcept;
  void finish(io::IoStatus result) noexcept;
  void begin_reset(bool both) noexcept;
  void end_reset() noexcept;
  void diagnose() noexcept;
  void raise(unsigned drive) noexcept;
  void update_line() noexcept;

  // channel_data.cc
  void next_data() noexcept;
  void offer_block(bool interrupt) noexcept;
  void block_read() noexcept;
  void block_written() noexcept;
  void move_dma() noexcept;
  void copy_dma(size_t segments, uint32_t bytes) noexcept;
  void submit(std::span<const iovec> data, uint32_t sectors) noexcept;
  void request_done() noexcept;
  void data_moved() noexcept;

  Context context_;
  pci::InterruptLine& line_;
  std::array<std::unique_ptr<Drive>, kDriveCount> drives_;

  uint8_t control_ = 0;
  unsigned selected_ = 0;                         // by the device register
  std::array<bool, kDriveCount> interrupting_{};  // the drive asks for an interrupt
  bool line_level_ = false;

  Phase phase_ = Phase::kIdle;
  bool reset_both_ = false;  // in kReset: SRST, not DEVICE RESET
  unsigned active_ = 0;      // whose command it is, copied when it was written
  Transfer transfer_;
  bool begun_ = false;    // its first block was written, or the engine has looked at it
  bool dma_cut_ = false;  // the guest stopped the engine while a request was out

  std::array<std::byte, kBufferBytes> buffer_{};
  uint32_t position_ = 0;   // in buffer_
  uint32_t block_end_ = 0;  // of the present DRQ block
  uint32_t filled_ = 0;     // valid (kIn) or wanted (kOut) bytes of buffer_

  BusMaster bus_master_;
  std::array<iovec, kMaxDmaSegments> segments_;
  DiskRequest request_;
  bool request_out_ = false;
  uint32_t request_count_ = 0;  // its sectors

  ChannelCounters counters_;
};

}  // namespace viridian::ide
