// A VHD or raw image's metadata, read and validated: what the engine may trust.
//
// load_image() reads with plain pread on a control path and never writes. Everything in an Image
// has been checked against the file's size and against everything else in the file (docs/
// vhd-format.md lists the checks); what could not be made sense of was refused with one line that
// names the file, the field and the cure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vhd/block_table.h"
#include "vhd/vhd_format.h"

namespace viridian::vhd {

enum class ImageType : uint8_t { kRaw, kFixed, kDynamic, kDifferencing };
std::string_view to_string(ImageType type);

// kAuto goes by the name (.vhd, .avhd and .vud are VHD, all else is raw) and refuses a raw file
// that holds a VHD: a guest owns a raw disk's bytes and must not choose how they are read.
enum class Format : uint8_t { kAuto, kVhd, kRaw };

// Which of the footer's two sizes is the disk's. kAuto: current_size, but the geometry's product
// where "vpc " or "qemu" wrote the footer, as those programs do.
enum class SizeRule : uint8_t { kAuto, kCurrentSize, kGeometry };

uint64_t disk_size(const Footer& footer, SizeRule rule);

// Where the parents of Windows paths are on this host: {'c', "/srv/hyperv"}. Without an entry for
// its letter, "X:\a\b" is tried as "/a/b", which is what Xen's tools mean by it.
struct Drive {
  char letter = 'c';
  std::string folder;
};

struct OpenPolicy {
  Format format = Format::kAuto;
  SizeRule size_rule = SizeRule::kAuto;
  std::string parent_override;  // the leaf's parent, instead of what the leaf says
  std::vector<Drive> drives;
  bool allow_parent_outside = false;    // follow parents out of their child's folder
  bool write_parent = false;            // write an image that is a child's parent: children.h
  bool ignore_parent_mismatch = false;  // take a parent whose unique id is not the one recorded
};

// A parent path as the child records it, as UTF-8 (unpaired surrogates survive, see utf16.h).
struct Locator {
  uint32_t platform_code = 0;
  uint64_t offset = 0;  // in the file
  uint32_t length = 0;  // bytes
  std::string path;
};

// Xen's map of fully written blocks. A writer that does not maintain it clears its cookie first.
struct Batmap {
  uint64_t header_offset = 0;
  uint64_t map_offset = 0;
  uint64_t map_bytes = 0;
  bool encrypted = false;
};

// Bytes of the file that nothing uses, with room for a block.
struct Gap {
  uint64_t offset = 0;
  uint64_t end = 0;
};

struct Image {
  ImageType type = ImageType::kRaw;
  uint64_t size_bytes = 0;       // of the disk that a guest sees: a multiple of 512
  uint64_t file_size_bytes = 0;  // of the file, or block device, when it was read
  bool read_only = false;        // opens for reading only; a warning says why

  // For the VHD types.
  Footer footer;                 // as read: rewrite it with its unknown bytes kept
  uint64_t footer_offset = 0;    // where the last footer is, or belongs if it was damaged
  bool footers_damaged = false;  // a writer stores `footer` at footer_offset, and at 0 in a sparse
                                 // image, before anything else
  UniqueId unique_id{};

  // For kDynamic and kDifferencing. Block n's bitmap is at sector bat[n], its data behind it.
  SparseHeader header;
  uint32_t block_size = 0;    // bytes: a power of two
  uint32_t bitmap_bytes = 0;  // a multiple of 512
  uint64_t bat_offset = 0;
  BlockTable bat;         // ceil(size_bytes / block_size) entries
  uint64_t data_end = 0;  // everything before this may be in use; a multiple of 512
  std::vector<Gap> gaps;  // between the first block and data_end
  std::optional<Batmap> batmap;

  // For kDifferencing.
  UniqueId parent_unique_id{};
  uint32_t parent_time_stamp = 0;
  std::string parent_name;  // UTF-8: a file name, or a full path
  std::vector<Locator> locators;

  std::vector<std::string> warnings;  // one line each, without the file's name
};

// Damage at a place of the file: "header: block_size", "is 3, not a power of two".
struct Problem {
  std::string field;
  uint64_t offset = 0;
  std::string text;
};
constexpr size_t kMaxProblems = 100;  // that one load notes

// Reads the image in `fd`, a regular file or block device open for reading; `name` is for
// messages and for Format::kAuto. kCorrupt, kUnsupported, kIo. With
// `problems`, all wrong table entries are noted there and not only the first.
Result<Image> load_image(int fd, std::string_view name, const OpenPolicy& policy = {},
                         std::vector<Problem>* problems = nullptr);

// Whether an image goes by that name.
bool has_vhd_name(std::string_view name);

// True if the null id that Xen's tools write for a raw parent.
constexpr bool is_null(const UniqueId& id) { return id == UniqueId{}; }

}  // namespace viridian::vhd
