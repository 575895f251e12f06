// What a disk is to a frontend. Implemented by vhd's formats and by the RAM and test disks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "io/io_request.h"
#include "io/reactor.h"

namespace viridian::io {

struct DiskInfo {
  uint64_t sector_count = 0;            // of kSectorSize bytes
  uint32_t physical_sector_size = 512;  // bytes; a hint for alignment
  uint32_t discard_granularity = 0;     // sectors; 0: kDiscard is not supported
  bool read_only = false;
  std::array<uint8_t, 16> unique_id{};  // stable over the disk's life; for SCSI's page 83h
};

// Bound to one reactor: submit() is called on its thread and done() runs there. The owner destroys
// the device only when no request is out.
class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  virtual DiskInfo info() const noexcept = 0;

  // Takes any request and completes it exactly once; the disk itself checks range and length, so
  // no frontend needs to. Requests may complete in any order; a request that must follow another
  // is submitted from that one's done().
  virtual void submit(IoRequest& request) noexcept = 0;
};

// Ends `request`: its done() runs later in this turn of `reactor`.
void finish(Reactor& reactor, IoRequest& request, IoStatus status) noexcept;

// The check that every disk does first: kOk, or why `request` cannot be served on a disk like
// `info`.
IoStatus check_request(const IoRequest& request, const DiskInfo& info) noexcept;

}  // namespace viridian::io
