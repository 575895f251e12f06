// The buffer that a guest lends for what it sends: sections of kSendSectionBytes, each with the
// messages of one packet. Its pages were translated once, when it was lent.
// The reactor's thread only. Data path, but for map().
#pragma once

#include <sys/uio.h>

#include <optional>
#include <span>
#include <vector>

#include "base/guest_memory.h"
#include "netvsp/limits.h"
#include "vmbus/gpadl.h"

namespace viridian::netvsp {

class SendSections {
 public:
  // Nothing if the buffer is out of limits or a page is not memory.
  static std::optional<SendSections> map(const GuestMemory& memory, const vmbus::Gpadl& gpadl);

  // The first `length` bytes of a section as pieces of host memory, neighbours joined; nothing if
  // they leave the section or the buffer. `out` has room for kMaxPieces.
  static constexpr size_t kMaxPieces = kSendSectionBytes / 4096 + 2;
  std::optional<size_t> pieces(uint32_t section, uint32_t length,
                               std::span<iovec> out) const noexcept;

 private:
  SendSections() = default;

  std::vector<std::byte*> pages_;
  uint32_t first_offset_ = 0;  // of the buffer in its first page
  uint32_t bytes_ = 0;
};

}  // namespace viridian::netvsp
