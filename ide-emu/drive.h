// What a channel knows of a drive. The drive decodes a command once, when it is written, into a
// Transfer; the channel moves the data and tells the drive how it ended. So nothing that the guest
// writes to a register later can change a command that runs.
//
// Called with the function's gate held. A drive never touches its disk: the channel does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ide-emu/task_file.h"
#include "io/block_device.h"

namespace viridian::ide {

struct Transfer {
  enum class Flow : uint8_t { kNone, kIn, kOut };  // as the guest sees it

  Flow flow = Flow::kNone;
  bool dma = false;
  bool disk = false;  // the data are sectors of the disk; else `bytes` of the channel's buffer
  bool fua = false;
  bool interrupt_at_end = true;
  io::IoOp op = io::IoOp::kRead;
  uint64_t sector = 0;           // the next one
  uint64_t sectors_left = 0;     // of 512 bytes
  uint32_t request_sectors = 1;  // at most so many for each disk request through the buffer
  uint32_t bytes = 0;
  uint32_t block_bytes = 512;  // of a DRQ block, at most
};

enum class Outcome : uint8_t {
  kDone,      // the command is over, well or not: status and error say so; interrupt
  kSilent,    // the same without an interrupt
  kTransfer,  // `transfer` says what to do
};

class Drive {
 public:
  explicit Drive(io::BlockDevice* disk) : disk_(disk) {}
  virtual ~Drive() = default;

  TaskFile task;
  uint8_t status = 0;  // without BSY and DRQ, which are the channel's
  uint8_t error = 0;

  virtual bool takes_packets() const noexcept { return false; }
  virtual bool lba48() const noexcept { return false; }

  // Executes `code`, or decodes it into `transfer`. `buffer` is the channel's, of kBufferBytes.
  virtual Outcome command(uint8_t code, std::span<std::byte> buffer,
                          Transfer& transfer) noexcept = 0;

  // A kOut transfer to the buffer is complete: what now?
  virtual Outcome received(std::span<std::byte> buffer, Transfer& transfer) noexcept {
    (void)buffer, (void)transfer;
    return Outcome::kDone;
  }

  // A DRQ block of `bytes` is about to be offered.
  virtual void offer_block(uint32_t bytes) noexcept { (void)bytes; }

  // `transfer` ended with `result`; on failure its sector is the first of the part that failed.
  virtual void finish(io::IoStatus result, const Transfer& transfer) noexcept = 0;

  // SRST, DEVICE RESET or EXECUTE DEVICE DIAGNOSTIC: posts the signature. Settings stay.
  virtual void soft_reset() noexcept = 0;
  // Power-on: settings too. A soft reset follows.
  virtual void power_on() noexcept = 0;

  io::BlockDevice* disk() const noexcept { return disk_; }

 protected:
  // Volume 1, clause 9.12: what the registers hold after a reset.
  void post_signature(uint8_t mid, uint8_t high, uint8_t new_status) noexcept {
    const auto selected = static_cast<uint8_t>(task.device & device_bit::kDrive);
    task = {};
    task.device = selected;
    task.count.now = task.low.now = 1;
    task.mid.now = mid;
    task.high.now = high;
    error = error_bit::kDiagnosticPassed;
    status = new_status;
  }
  void succeed() noexcept {
    status = status_bit::kIdle;
    error = 0;
  }
  Outcome abort(uint8_t error_bits = error_bit::kAbort) noexcept {
    status = status_bit::kIdle | status_bit::kErr;
    error = error_bits;
    return Outcome::kDone;
  }

 private:
  io::BlockDevice* disk_;
};

}  // namespace viridian::ide
