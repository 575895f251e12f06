// A dynamic image as bytes, and ways to damage it: each with the name that check and repair give
// it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vhd/footer.h"
#include "vhd/image.h"
#include "vhd/repair.h"

namespace viridian::vhd {

// A sound image of 64 blocks of 4 KiB, four of them in the file.
class ImageBytes {
 public:
  static constexpr uint64_t kDiskBytes = 64 * 4096;
  static constexpr uint32_t kBlockBytes = 4096;
  static constexpr uint64_t kHeaderAt = 512;
  static constexpr uint64_t kTableAt = 1536;

  ImageBytes();

  std::vector<std::byte>& bytes() { return bytes_; }
  uint64_t last_footer() const { return bytes_.size() - sizeof(Footer); }

  template <class T>
  T get(uint64_t offset) const {
    return *read_wire<T>(bytes_, offset);
  }
  template <class T>
  void put(uint64_t offset, const T& value) {
    write_wire(std::span(bytes_), value, offset);
  }
  uint32_t entry(uint32_t index) const { return get<be32>(kTableAt + index * 4); }
  void set_entry(uint32_t index, uint32_t sector) { put(kTableAt + index * 4, be32(sector)); }
  // Changes a footer or header and makes its checksum right.
  template <class T, class Function>
  void change(uint64_t offset, Function&& function) {
    T value = get<T>(offset);
    function(value);
    seal(value);
    put(offset, value);
  }
  // Xen's map behind the table, with block 0 called full.
  void add_batmap();

 private:
  std::vector<std::byte> bytes_;
};

struct Damage {
  const char* name;  // of the flaw
  std::function<void(ImageBytes&)> apply;
  Cure cure = Cure::kRepair;
  RepairChoices choices = {};       // with which it is mended, if it is a choice
  std::vector<uint32_t> lost = {};  // blocks that are no longer in the table then
};

// One for each flaw that repair knows.
std::vector<Damage> damages();

}  // namespace viridian::vhd
