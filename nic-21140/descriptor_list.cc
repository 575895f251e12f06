#include "nic-21140/descriptor_list.h"

#include <atomic>
#include <bit>
#include <cstring>

namespace viridian::tulip {
namespace {

static_assert(std::endian::native == std::endian::little, "the owner's word is shared as it is");

constexpr uint32_t kAlignmentMask = 3;

// The first longword of a descriptor passes it between guest and chip. Guest memory holds no C++
// objects; the word exists as an atomic only here. List addresses are multiples of four.
std::atomic_ref<uint32_t> owner_word(std::span<std::byte> bytes) noexcept {
  return std::atomic_ref(*reinterpret_cast<uint32_t*>(bytes.data()));  // as said above
}

}  // namespace

std::optional<Descriptor> DescriptorList::read(uint32_t at) const noexcept {
  const auto bytes = memory_.window(Gpa{at}, sizeof(Descriptor));
  if (!bytes) return std::nullopt;
  Descriptor copy;
  // Pairs with the guest's last write, which gives the descriptor to the chip.
  copy.status = owner_word(*bytes).load(std::memory_order_acquire);
  if ((copy.status & kOwn) == 0) return copy;
  constexpr size_t kRest = offsetof(Descriptor, control);
  std::memcpy(&copy.control, bytes->data() + kRest, sizeof(Descriptor) - kRest);
  return copy;
}

void DescriptorList::close(const Descriptor& descriptor, uint32_t status) noexcept {
  if (const auto bytes = memory_.window(Gpa{next_}, sizeof(Descriptor))) {
    // Pairs with the guest's read of the status: buffers are filled before.
    owner_word(*bytes).store(status & ~kOwn, std::memory_order_release);
  }
  next_ = after(descriptor);
}

uint32_t DescriptorList::after(const Descriptor& descriptor) const noexcept {
  const uint32_t control = descriptor.control;
  if ((control & kEndOfRing) != 0) return base_;
  if ((control & kChained) != 0) return descriptor.buffer2 & ~kAlignmentMask;
  return next_ + uint32_t{sizeof(Descriptor)} + gap_;
}

}  // namespace viridian::tulip
