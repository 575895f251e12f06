// The buffer that a guest lends for what it receives: cut into sections of one size, each of which
// is free, or with the guest until it gives back the packet that named it.
//
// The guest's pages need not be neighbours here, so a section is written through a list of pages.
// The reactor's thread only. Data path, but for the construction.
#pragma once

#include <rte_memcpy.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/guest_memory.h"
#include "netvsp/lent_pages.h"
#include "vmbus/gpadl.h"

namespace viridian::netvsp {

constexpr uint32_t kNone = ~0u;

class ReceiveBuffer {
 public:
  // Cuts the GPADL's bytes into sections of `section_bytes`; nothing if the buffer is out of limits
  // or a page is not memory.
  static std::optional<ReceiveBuffer> map(const GuestMemory& memory, const vmbus::Gpadl& gpadl,
                                          uint32_t section_bytes);

  uint32_t section_bytes() const noexcept { return section_bytes_; }
  uint32_t section_count() const noexcept { return static_cast<uint32_t>(next_.size()); }
  uint32_t bytes() const noexcept { return bytes_; }
  uint32_t free_count() const noexcept { return free_count_; }

  // Takes a section, or kNone. They form lists through next().
  uint32_t take() noexcept;
  // That the section which is taken next will be written soon.
  void prefetch() const noexcept {
    const std::byte* at = free_ == kNone ? nullptr : flat(free_, 1);
    if (at == nullptr) return;
    __builtin_prefetch(at, 1);
    __builtin_prefetch(at + 64, 1);
  }
  // Gives back the list that starts with `first`.
  void give_back(uint32_t first) noexcept;
  uint32_t& next(uint32_t section) noexcept { return next_[section]; }

  uint32_t offset(uint32_t section) const noexcept { return section * section_bytes_; }

  // Copies `from` to `at` of the section; REQUIRES: it fits.
  void write(uint32_t section, uint32_t at, std::span<const std::byte> from) const noexcept {
    const uint32_t position = first_offset_ + offset(section) + at;
    const uint32_t in_page = position % kPageBytes;
    if (from.size() > kPageBytes - in_page) return write_pages(position, from);
    std::byte* to = pages_[position / kPageBytes] + in_page;
    if (from.size() <= kShortBytes) {
      rte_memcpy(to, from.data(), from.size());
    } else {
      std::memcpy(to, from.data(), from.size());
    }
  }
  // The first `bytes` of a section, if they are one run of memory; else null.
  std::byte* flat(uint32_t section, uint32_t bytes) const noexcept {
    const uint32_t position = first_offset_ + offset(section);
    const uint32_t in_page = position % kPageBytes;
    return bytes <= kPageBytes - in_page ? pages_[position / kPageBytes] + in_page : nullptr;
  }

 private:
  static constexpr uint32_t kPageBytes = kLentPageBytes;
  static constexpr size_t kShortBytes = 256;  // copied faster without a call

  ReceiveBuffer() = default;
  void write_pages(uint32_t position, std::span<const std::byte> from) const noexcept;

  std::vector<std::byte*> pages_;
  uint32_t first_offset_ = 0;  // of the buffer in its first page
  uint32_t bytes_ = 0;
  uint32_t section_bytes_ = 0;
  std::vector<uint32_t> next_;  // by section
  uint32_t free_ = kNone;
  uint32_t free_count_ = 0;
};

}  // namespace viridian::netvsp
