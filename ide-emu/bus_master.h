// The bus master of one channel: eight bytes of BAR 4 and the walk through the PRD table.
// "Programming Interface for Bus Master IDE Controller" 1.0, clauses 2 and 3.
// Called with the function's gate held.
#pragma once

#include <array>
#include <cstdint>

#include "ide-emu/ata_spec.h"
#include "ide-emu/prd_list.h"

namespace viridian::ide {

class BusMaster {
 public:
  enum class Event : uint8_t { kNone, kStarted, kStopped };

  uint8_t read(unsigned offset) const noexcept;
  Event write(unsigned offset, uint8_t value) noexcept;

  // Started and not yet at the end of its table, stopped or failed.
  bool active() const noexcept { return (status_ & bus_master::kActive) != 0; }
  bool to_memory() const noexcept { return (command_ & bus_master::kToMemory) != 0; }
  PrdList& list() noexcept { return list_; }

  // The table ended before the drive's data did: no interrupt, no error (clause 3.1).
  void exhausted() noexcept { status_ &= static_cast<uint8_t>(~bus_master::kActive); }
  // A memory access failed.
  void fail() noexcept;
  // The drive has moved all its data; a table that is longer leaves the engine active.
  void drive_done() noexcept;
  // The drive's interrupt line rose.
  void interrupt() noexcept { status_ |= bus_master::kInterrupt; }

  void reset() noexcept { *this = {}; }

 private:
  uint8_t command_ = 0;
  uint8_t status_ = 0;
  std::array<uint8_t, 4> table_{};
  PrdList list_;
};

}  // namespace viridian::ide
