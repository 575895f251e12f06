// The images of a folder, and who is whose parent.
//
// Names that are no regular file are not opened, links are not followed, and of an image only the
// footer, the header and the parent's names are read: thousands of files cost little.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vhd/image.h"

namespace viridian::vhd::tool {

constexpr size_t kNoNode = ~size_t{0};

struct TreeProblem {
  std::string_view name;  // "parent-missing": stable, docs/vhdtool-json.md
  std::string text;
};

struct TreeNode {
  std::string path;  // below the folder
  ImageType type = ImageType::kRaw;
  uint64_t size_bytes = 0;
  UniqueId unique_id{};
  int64_t modified = 0;  // unix seconds
  bool readable = false;
  // Of a differencing image.
  Image image;                // its header and names
  size_t parent = kNoNode;    // in the list
  std::string parent_source;  // what led there: "W2ru", "unique id"
  std::vector<size_t> children;
  std::vector<TreeProblem> problems;
};

struct TreeOptions {
  bool recursive = false;
  OpenPolicy policy;  // drives
};

// Sorted by path. kIo if the folder cannot be read.
Result<std::vector<TreeNode>> read_tree(const std::string& folder, const TreeOptions& options);

struct ChainCommand {
  std::string folder = ".";
  TreeOptions options;
  bool json = false;
};
// Fails if there are problems, after it has printed them.
Result<void> run_chain(const ChainCommand& command);

}  // namespace viridian::vhd::tool
