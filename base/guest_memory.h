// A guest's memory as the host process sees it: a short list of mapped regions.
//
// The regions are set before the guest starts and never change after: every member may be called
// from any thread. The guest changes the bytes at any time; so a structure is read by copying it
// once, and only the copy is judged and used. A guest address that is not memory is an ordinary
// failure (nullopt / false), never an abort.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/endian.h"
#include "base/result.h"

namespace viridian {

enum class Gpa : uint64_t {};  // guest physical address, in bytes
constexpr uint64_t to_u64(Gpa gpa) { return static_cast<uint64_t>(gpa); }

struct GpaRange {
  Gpa base;
  uint32_t length;  // bytes
};

class GuestMemory {
 public:
  // Adds [base, base + bytes.size()), which must not overlap an earlier region.
  Result<void> add_region(Gpa base, std::span<std::byte> bytes);

  // The bytes at `gpa`, whole within one region. The guest may write them while they are read.
  std::optional<std::span<std::byte>> window(Gpa gpa, uint64_t length) const noexcept;

  bool read(Gpa gpa, std::span<std::byte> into) const noexcept;
  bool write(Gpa gpa, std::span<const std::byte> from) const noexcept;

  template <WireStruct T>
  std::optional<T> read(Gpa gpa) const noexcept {
    T value;
    if (!read(gpa, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }
  template <WireStruct T>
  bool write(Gpa gpa, const T& value) const noexcept {
    return write(gpa, wire_bytes(value));
  }

  // Translates `ranges` into `out`, one or more iovecs for each (neighbours are joined), and
  // returns how many were filled; nothing if a range is not memory or `out` is too short.
  std::optional<size_t> gather(std::span<const GpaRange> ranges,
                               std::span<iovec> out) const noexcept;

  struct Region {
    uint64_t base;
    std::span<std::byte> bytes;
  };
  std::span<const Region> regions() const noexcept { return regions_; }

 private:
  const Region* find(uint64_t gpa) const noexcept;

  std::vector<Region> regions_;  // a handful, so a linear search is the fastest
};

}  // namespace viridian
