// A list of descriptors in guest memory, as a ring, a chain or both, and the chip's place in it:
// "21140A Hardware Reference Manual", section 4.2. Gate held.
//
// A descriptor is copied once, and the copy is used. The guest may make a list of anything: it need
// not end, and who walks it counts its steps.
#pragma once

#include <cstdint>
#include <optional>

#include "base/guest_memory.h"
#include "nic-21140/descriptor_format.h"

namespace viridian::tulip {

class DescriptorList {
 public:
  explicit DescriptorList(const GuestMemory& memory) : memory_(memory) {}

  // CSR3 or CSR4 was written: the next descriptor is the list's first.
  void set_base(uint32_t base) noexcept { base_ = next_ = base; }
  void rewind() noexcept { next_ = base_; }
  uint32_t base() const noexcept { return base_; }
  // Bytes between two descriptors of a ring, from CSR0.
  void set_gap(uint32_t bytes) noexcept { gap_ = bytes; }

  // The next descriptor; nothing if it is not memory. Unless the chip owns it, only `status` is of
  // use: the guest may be writing the rest.
  std::optional<Descriptor> peek() const noexcept { return read(next_); }
  std::optional<Descriptor> peek_after(const Descriptor& descriptor) const noexcept {
    return read(after(descriptor));
  }

  // Gives the next descriptor, a copy of which is `descriptor`, back with `status`, and steps on.
  void close(const Descriptor& descriptor, uint32_t status) noexcept;

 private:
  uint32_t after(const Descriptor& descriptor) const noexcept;
  std::optional<Descriptor> read(uint32_t at) const noexcept;

  const GuestMemory& memory_;
  uint32_t base_ = 0, next_ = 0, gap_ = 0;
};

}  // namespace viridian::tulip
