// A SCSI disk on a BlockDevice: SPC-4 and SBC-3, 512-byte blocks, everything that Linux's sd sends.
//
// Lives on the disk's reactor. The disk checks each range; here only the CDB is judged. Sources:
// scsi_disk.cc (dispatch, capacity, small commands), scsi_disk_data.cc (commands that move or free
// blocks), scsi_inquiry.cc, scsi_mode.cc. Left out: reservations, VERIFY with comparison, WRITE
// SAME with a pattern other than zeroes, protection information, descriptor-format sense. FUA on a
// read is accepted and means nothing: there is no cache of our own.
#pragma once

#include <optional>

#include "storvsp/scsi_request.h"

namespace viridian::storvsp {

class ScsiDisk final : public LogicalUnit {
 public:
  // Both outlive the disk and every request in it.
  ScsiDisk(io::Reactor& reactor, io::BlockDevice& disk) : reactor_(reactor), disk_(disk) {}

  void execute(ScsiRequest& request) noexcept override;
  void raise(Sense attention) noexcept override { attention_ = attention; }

 private:
  void execute_other(ScsiRequest& request) noexcept;
  void report_attention(ScsiRequest& request) noexcept;
  void request_sense(ScsiRequest& request) noexcept;
  void start_stop(ScsiRequest& request) noexcept;
  void read_capacity10(ScsiRequest& request) noexcept;
  void service_action_in(ScsiRequest& request) noexcept;
  void mode(ScsiRequest& request, bool select) noexcept;
  void flush(ScsiRequest& request) noexcept;

  void transfer(ScsiRequest& request, io::IoOp op, uint64_t lba, uint32_t count,
                uint8_t flags) noexcept;
  void verify(ScsiRequest& request, uint64_t lba, uint32_t count, uint8_t flags) noexcept;
  void synchronize_cache(ScsiRequest& request, uint64_t lba, uint32_t count) noexcept;
  void write_same(ScsiRequest& request, uint64_t lba, uint32_t count, uint8_t flags) noexcept;
  void unmap(ScsiRequest& request) noexcept;
  void unmap_next(ScsiRequest& request) noexcept;
  bool within(uint64_t lba, uint64_t count) const noexcept;

  io::Reactor& reactor_;
  io::BlockDevice& disk_;
  std::optional<Sense> attention_;
};

}  // namespace viridian::storvsp
