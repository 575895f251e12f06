// Memory that direct I/O takes: on whole pages. Its bytes begin as anything.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "base/checked.h"

namespace viridian::vhd::tool {

class AlignedBuffer {
 public:
  explicit AlignedBuffer(size_t size)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(kPage, align_up(size, kPage)))),
        size_(size) {
    if (!memory_) throw std::bad_alloc();
  }
  std::span<std::byte> span() const { return {memory_.get(), size_}; }

 private:
  static constexpr size_t kPage = 4096;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte[], Free> memory_;
  size_t size_;
};

}  // namespace viridian::vhd::tool
