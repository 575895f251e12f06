// One SCSI command on its way through a logical unit, and what every logical unit is.
//
// The transport (storvsp's channel) owns the request and the memory behind `buffer` until `ended`
// runs. Everything here belongs to the reactor's thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "io/block_device.h"
#include "storvsp/scsi_spec.h"
#include "storvsp/sense.h"

namespace viridian::storvsp {

struct ScsiRequest : io::IoRequest {
  using Ended = void (*)(ScsiRequest&) noexcept;

  // From the transport. A command may shorten `buffer`; it never looks behind `buffer_length`.
  Cdb cdb{};                   // whole: as long as its first byte says
  std::span<iovec> buffer;     // the guest's memory, in or out as the command says
  uint32_t buffer_length = 0;  // bytes
  Ended ended = nullptr;       // once, never inside execute()

  // For the transport, when `ended` runs.
  uint8_t scsi_status = scsi_status::kGood;
  Sense sense;               // meaningful with kCheckCondition
  uint32_t transferred = 0;  // bytes moved, either way

  // The logical unit's own, while it has the request.
  void* unit = nullptr;
  uint32_t step = 0;
  uint32_t steps = 0;
};

class LogicalUnit {
 public:
  virtual ~LogicalUnit() = default;

  // Takes any CDB and ends it exactly once.
  virtual void execute(ScsiRequest& request) noexcept = 0;

  // The next command that reports one gets `attention` instead of being executed: SAM-5 5.14.
  virtual void raise(Sense attention) noexcept = 0;
};

// Two ways to end a command that no disk is to complete: `ended` runs later in this turn.
void end_good(io::Reactor& reactor, ScsiRequest& request, uint32_t transferred = 0) noexcept;
void end_check(io::Reactor& reactor, ScsiRequest& request, Sense why) noexcept;

// Ends with parameter data, cut to `allocation` (SPC-4 4.2.5.6) and to the guest's buffer.
void end_data(io::Reactor& reactor, ScsiRequest& request, std::span<const std::byte> data,
              uint32_t allocation) noexcept;

// Sends `request`, whose IoRequest part and `transferred` (as it will be if all goes well) are
// filled in, to `disk` and ends it with the disk's status.
void end_through(io::BlockDevice& disk, ScsiRequest& request) noexcept;

// Shortens `request.buffer` to its first `bytes`; false if it has fewer.
bool trim_buffer(ScsiRequest& request, uint64_t bytes) noexcept;

// Copies parameter data in, once. False if the buffer ends before it does.
bool copy_parameters(const ScsiRequest& request, size_t offset, std::span<std::byte> into) noexcept;

template <WireStruct T>
bool read_parameters(const ScsiRequest& request, size_t offset, T& into) noexcept {
  return copy_parameters(request, offset, std::as_writable_bytes(std::span(&into, 1)));
}

}  // namespace viridian::storvsp
