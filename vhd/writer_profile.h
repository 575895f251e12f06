// Whom a new image is for: the marks and the layout of the programs that write VHDs, which other
// programs go by. docs/vhd-format.md, "What is written into new images".
#pragma once

#include <cstdint>

#include "base/result.h"
#include "vhd/vhd_format.h"

namespace viridian::vhd {

enum class Compat : uint8_t {
  kOwn,      // what every reader of today takes at its exact size
  kHyperV,   // as Windows 10 writes it
  kVpc2007,  // as Virtual PC does: the disk has the size of its geometry
  kXen,      // as Xen's tools do: with a block map, and their name for the parent
  kQemu9,    // as QEMU with force_size does: every QEMU takes the exact size
  kAzure,    // fixed, a whole number of MiB
};

struct WriterProfile {
  enum class Shape : uint8_t {
    kExactOrMax,   // the specification's geometry if it gives the exact size, else the largest one
    kRoundedDown,  // the specification's
    kSize,         // the same, and the disk's size is what it gives
    kMax,
  };
  enum class Parents : uint8_t {
    kWindows10,  // W2ku, the table, W2ru
    kClassic,    // the table, W2ku, W2ru
    kXen,        // the table, MacX, W2ku, W2ru
  };
  Tag application;
  uint32_t version;
  Tag host_os;
  Shape shape = Shape::kRoundedDown;
  Parents parents = Parents::kWindows10;
  uint32_t data_alignment = 4096;  // of a block's data
  uint32_t end_alignment = 4096;   // of the file
  bool batmap = false;
  uint32_t size_unit = 512;  // the disk's size is a multiple
};

const WriterProfile& profile_of(Compat compat);

// The disk's size if one of `size_bytes` is asked for: at least that. kInvalidArgument if there is
// none.
Result<uint64_t> size_for(Compat compat, uint64_t size_bytes);

// A sealed footer as `compat` writes it.
Footer footer_for(Compat compat, uint32_t disk_type, uint64_t size_bytes, const UniqueId& id);

}  // namespace viridian::vhd
