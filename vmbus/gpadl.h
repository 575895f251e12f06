// Guest physical address descriptor lists: buffers that the guest lends by page numbers.
//
// A list arrives in a header and, if it is long, in bodies (protocol.h). Lists of one range only:
// no known guest driver sends more. The reactor's thread only.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/guest_memory.h"
#include "base/result.h"
#include "vmbus/limits.h"

namespace viridian::vmbus {

struct Gpadl {
  uint32_t handle = 0;
  uint32_t relid = 0;
  uint32_t byte_offset = 0;  // into the first page
  uint32_t byte_count = 0;
  std::vector<uint64_t> pfns;  // each is guest memory

  // [offset, offset + length) of the buffer as guest memory, at most `out.size()` pieces with
  // neighbours joined; nothing if it is not within the buffer or takes more pieces.
  std::optional<size_t> ranges(uint32_t offset, uint32_t length,
                               std::span<GpaRange> out) const noexcept;
};

class GpadlTable {
 public:
  explicit GpadlTable(const GuestMemory& memory) : memory_(memory) {}

  enum class Progress : uint8_t {
    kIncomplete,  // more bodies to come: no answer yet
    kCreated,
    kRefused,  // answer with a failure; nothing is kept
    kIgnored,  // no list waits for this: no answer
  };

  // `ranges`: the bytes behind the message's fixed fields.
  Progress header(uint32_t relid, uint32_t handle, uint32_t range_bytes, uint32_t range_count,
                  std::span<const std::byte> ranges);
  // `relid` is set to the channel of the list, for the answer.
  Progress body(uint32_t handle, std::span<const std::byte> pfns, uint32_t& relid);

  const Gpadl* find(uint32_t relid, uint32_t handle) const noexcept;
  bool erase(uint32_t relid, uint32_t handle) noexcept;
  void erase_channel(uint32_t relid) noexcept;
  void clear() noexcept;

  size_t size() const noexcept { return gpadls_.size(); }
  size_t page_count() const noexcept { return pages_; }

 private:
  struct Entry {
    Gpadl gpadl;
    size_t expected = 0;  // page numbers
    bool complete() const noexcept { return gpadl.pfns.size() == expected; }
  };
  using Map = std::map<uint32_t, Entry>;

  Progress append(Map::iterator entry, std::span<const std::byte> pfns);
  void erase(Map::iterator entry) noexcept;

  const GuestMemory& memory_;
  Map gpadls_;  // by handle
  size_t pages_ = 0;
  size_t incomplete_ = 0;
};

}  // namespace viridian::vmbus
