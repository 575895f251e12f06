#include "vhd/block_table.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"

namespace viridian::vhd {

BlockTable::BlockTable(size_t count)
    : inverted_(count), size_(count), touched_(div_ceil<size_t>(count, kPageEntries)) {}

void BlockTable::swap(BlockTable& other) noexcept {
  std::swap(size_, other.size_);
  std::swap(inverted_, other.inverted_);
  std::swap(touched_, other.touched_);
}

void BlockTable::set(size_t index, uint32_t entry) noexcept {
  if (!touched_[index / kPageEntries]) {
    if (entry == kUnusedEntry) return;
    touched_[index / kPageEntries] = true;
  }
  inverted_[index].store(~entry);
}

void BlockTable::copy_from(const BlockTable& other) noexcept {
  const size_t count = std::min(size_, other.size_);
  for (size_t i = other.next_used(0); i < count; i = other.next_used(i + 1))
    set(i, other[i]);
}

void BlockTable::resize(size_t count) {
  BlockTable resized(count);
  resized.copy_from(*this);
  swap(resized);
}

bool BlockTable::operator==(const BlockTable& other) const {
  if (size_ != other.size_) return false;
  size_t i = 0;
  do {
    const size_t mine = next_used(i);
    if (mine != other.next_used(i)) return false;
    if (mine < size_ && (*this)[mine] != other[mine]) return false;
    i = mine + 1;
  } while (i < size_);
  return true;
}

size_t BlockTable::next_used(size_t index) const noexcept {
  while (index < size_) {
    const size_t page = index / kPageEntries;
    const size_t page_end = std::min((page + 1) * kPageEntries, size_);
    if (touched_[page]) {
      for (; index < page_end; ++index) {
        if ((*this)[index] != kUnusedEntry) return index;
      }
    }
    index = page_end;
  }
  return size_;
}

size_t BlockTable::count_used() const noexcept {
  size_t count = 0;
  for (size_t i = next_used(0); i < size_; i = next_used(i + 1))
    ++count;
  return count;
}

}  // namespace viridian::vhd
