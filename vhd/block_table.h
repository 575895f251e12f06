// Where an image's blocks are: VHD specification 1.0, "Block Allocation Table", in host order.
//
// Unused entries cost neither memory nor time where a whole page of them is unused, which is most
// of most tables: opening a deep chain of large disks reads the files and touches nothing else.
// One thread changes entries; others may read those that exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "vhd/published_array.h"
#include "vhd/vhd_format.h"

namespace viridian::vhd {

class BlockTable {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = uint32_t;
    using difference_type = std::ptrdiff_t;
    using pointer = const uint32_t*;
    using reference = uint32_t;

    Iterator() = default;
    Iterator(const BlockTable& table, size_t index) : table_(&table), index_(index) {}
    uint32_t operator*() const { return (*table_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    Iterator operator++(int) { return {*table_, index_++}; }
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    const BlockTable* table_ = nullptr;
    size_t index_ = 0;
  };

  BlockTable() = default;
  explicit BlockTable(size_t count);  // all unused
  BlockTable(const BlockTable& other) : BlockTable(other.size_) { copy_from(other); }
  BlockTable(BlockTable&& other) noexcept { swap(other); }
  BlockTable& operator=(BlockTable other) noexcept {
    swap(other);
    return *this;
  }

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size_}; }
  bool operator==(const BlockTable& other) const;

  uint32_t operator[](size_t index) const noexcept { return ~inverted_[index].load(); }
  void set(size_t index, uint32_t entry) noexcept;
  void resize(size_t count);  // new entries are unused

  // The first entry from `index` on that is not unused; size() if there is none.
  size_t next_used(size_t index) const noexcept;
  size_t count_used() const noexcept;

 private:
  static constexpr size_t kPageEntries = 1024;

  void swap(BlockTable& other) noexcept;
  void copy_from(const BlockTable& other) noexcept;

  PublishedArray<uint32_t> inverted_;  // so that an unused one is zero
  size_t size_ = 0;
  std::vector<bool> touched_;  // by page: an entry was set
};

}  // namespace viridian::vhd
