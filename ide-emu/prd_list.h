// Walks a table of physical region descriptors in guest memory: "Programming Interface for Bus
// Master IDE Controller" 1.0, clause 1.2. Each entry is copied once, when the walk reaches it, and
// the copy is used. A table lies within 64 KiB, so the walk ends after 8192 entries at most.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "base/guest_memory.h"

namespace viridian::ide {

class PrdList {
 public:
  // `table` is the register's value; its low two bits are ignored.
  void start(uint32_t table) noexcept;

  struct Part {
    size_t segments = 0;
    uint32_t bytes = 0;
    bool bad = false;  // the table or what it names is no memory, or the table leaves its 64 KiB
  };
  // The next part of the memory, into `out`: at most `wanted` bytes, and a multiple of `granule`
  // (which divides `wanted`). Fewer bytes than wanted: `out` is full or the table is at its end;
  // no bytes and not bad: the table has no more.
  Part take(const GuestMemory& memory, uint32_t wanted, uint32_t granule,
            std::span<iovec> out) noexcept;

  // Every byte of the table's last entry was taken.
  bool at_end() const noexcept { return at_.last && at_.left == 0; }

 private:
  struct Position {
    uint64_t next_entry = 0;  // guest address; may be 4 GiB after the last
    uint32_t address = 0;     // in the present entry's region
    uint32_t left = 0;        // bytes of it
    bool last = false;
  };
  bool load(const GuestMemory& memory) noexcept;

  Position at_;
  uint32_t limit_ = 0;  // where the last entry may start that lies within the table's 64 KiB
};

}  // namespace viridian::ide
