// What a child records of its parent, found out from the parent itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "vhd/image.h"

namespace viridian::vhd {

struct ParentRecord {
  std::string path;           // absolute, without links
  std::string relative_path;  // from the child's folder
  std::string name;
  uint64_t size_bytes = 0;
  UniqueId unique_id{};
  uint32_t time_stamp = 0;  // of its last change
};

// The parent is opened with its own parents. kInvalidArgument for names that no VHD can record.
Result<ParentRecord> look_at_parent(const std::string& child_path, const std::string& parent_path,
                                    const OpenPolicy& policy);

// kInvalidArgument if the path is not UTF-8.
Result<std::vector<uint16_t>> utf16_of_path(const std::string& path);

// The name, and the id and time: what a header holds besides the locators.
Result<void> set_parent(const ParentRecord& parent, SparseHeader& header);

}  // namespace viridian::vhd
