// A bounded queue of bytes. One thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace viridian::vmm {

template <size_t Capacity>
class ByteQueue {
 public:
  size_t size() const noexcept { return size_; }
  size_t space() const noexcept { return Capacity - size_; }
  void clear() noexcept { size_ = 0; }

  // How many of `bytes` fitted.
  size_t push(std::span<const std::byte> bytes) noexcept {
    const size_t count = std::min(bytes.size(), space());
    for (size_t i = 0; i < count; ++i)
      bytes_[(head_ + size_ + i) % Capacity] = bytes[i];
    size_ += count;
    return count;
  }
  size_t pop(std::span<std::byte> into) noexcept {
    const size_t count = std::min(into.size(), size_);
    for (size_t i = 0; i < count; ++i)
      into[i] = bytes_[(head_ + i) % Capacity];
    head_ = (head_ + count) % Capacity;
    size_ -= count;
    return count;
  }

 private:
  std::array<std::byte, Capacity> bytes_{};
  size_t head_ = 0, size_ = 0;
};

}  // namespace viridian::vmm
