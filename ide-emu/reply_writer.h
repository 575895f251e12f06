// Appends big-endian fields to a reply's buffer, as packet commands lay them out. A field that
// would not fit is dropped whole, so a reply can never leave its buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/endian.h"

namespace viridian::ide {

class ReplyWriter {
 public:
  explicit ReplyWriter(std::span<std::byte> buffer) : buffer_(buffer) {}

  ReplyWriter& u8(unsigned value) { return put(std::byte{static_cast<uint8_t>(value)}); }
  ReplyWriter& u16(unsigned value) { return put(be16{static_cast<uint16_t>(value)}); }
  ReplyWriter& u32(uint32_t value) { return put(be32{value}); }
  ReplyWriter& zeroes(size_t count) {
    while (count-- > 0)
      u8(0);
    return *this;
  }
  // Padded with spaces, or cut, to `width`.
  ReplyWriter& text(std::string_view text, size_t width) {
    for (size_t i = 0; i < width; ++i)
      u8(i < text.size() ? static_cast<uint8_t>(text[i]) : ' ');
    return *this;
  }
  // Overwrites two bytes written before: a length that is known at the end.
  void set_u16(size_t at, size_t value) {
    write_wire(buffer_, be16{static_cast<uint16_t>(value)}, at);
  }
  size_t size() const { return size_; }

 private:
  template <class T>
  ReplyWriter& put(const T& value) {
    if (write_wire(buffer_, value, size_)) size_ += sizeof(T);
    return *this;
  }

  std::span<std::byte> buffer_;
  size_t size_ = 0;
};

}  // namespace viridian::ide
