// Numbers that one thread writes and others may read. They begin as zero, and what was never
// written costs no memory: a table of 2040 GiB of holes is address space and nothing else.
//
// Large arrays are mappings of their own: memory that the C library has used before would have to
// be cleared, page by page. Data path; nothing is allocated after construction.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace viridian::vhd {

template <class T>
class PublishedArray {
 public:
  // What was stored before a value is seen by who loads the value.
  class Reference {
   public:
    explicit Reference(T& value) noexcept : value_(value) {}
    T load() const noexcept { return value_.load(std::memory_order_acquire); }
    void store(T value) noexcept { value_.store(value, std::memory_order_release); }

   private:
    std::atomic_ref<T> value_;
  };

  PublishedArray() = default;
  explicit PublishedArray(uint64_t count) {
    const size_t bytes = std::max<size_t>(count, 1) * sizeof(T);
    const bool is_mapped = bytes >= kMappedBytes;
    void* memory = is_mapped ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                             : std::calloc(bytes, 1);
    if (memory == nullptr || memory == MAP_FAILED) std::abort();  // as operator new does
    values_ = {static_cast<T*>(memory), FreeMemory{is_mapped ? bytes : 0}};
  }
  Reference operator[](uint64_t index) const noexcept { return Reference(values_[index]); }

 private:
  static constexpr size_t kMappedBytes = 64 << 10;

  struct FreeMemory {
    size_t mapped_bytes = 0;
    void operator()(T* memory) const {
      if (mapped_bytes > 0) {
        ::munmap(memory, mapped_bytes);
      } else {
        std::free(memory);
      }
    }
  };
  std::unique_ptr<T[], FreeMemory> values_;
};

}  // namespace viridian::vhd
