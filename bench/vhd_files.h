// The images that bench/vhd_speed measures, made in one folder and removed with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace viridian::bench {

// A folder of the program's own under `parent`, removed at the end.
class Folder {
 public:
  explicit Folder(const std::string& parent);
  ~Folder();
  Folder(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

enum class Fill : bool { kEmpty, kWritten };  // kWritten: every sector, by the engine

// Images of `size_bytes` at `path`; each replaces what is there.
void make_fixed(const std::string& path, uint64_t size_bytes, Fill fill);
void make_dynamic(const std::string& path, uint64_t size_bytes, Fill fill);
void make_child(const std::string& path, const std::string& parent, Fill fill);
void make_raw(const std::string& path, uint64_t size_bytes);
// A written dynamic image as older programs lay it out: block data 512 bytes behind a page, behind
// the next one 1024 bytes, and so on.
void make_unaligned(const std::string& path, uint64_t size_bytes);

// Puts `depth` - 1 empty children on `base`: the paths, the base's first.
std::vector<std::string> make_chain(const Folder& folder, const std::string& base, unsigned depth);

// Syncs the file and drops it from the page cache.
void evict(const std::string& path);

}  // namespace viridian::bench
