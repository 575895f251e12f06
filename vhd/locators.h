// What a differencing image says of its parent: VHD specification 1.0, "Dynamic Disk Header
// Format", parent fields and locator entries.
#pragma once

#include <vector>

#include "vhd/control_io.h"
#include "vhd/image.h"
#include "vhd/layout.h"

namespace viridian::vhd {

// Fills the parent's part of `image` and adds the locators' places to `metadata`. A locator outside
// the file is refused; one whose text makes no sense is left out with a warning.
Result<void> load_parent(const FileView& file, const OpenPolicy& policy, Image& image,
                         std::vector<Extent>& metadata);

// What an operation that moves things keeps free for a locator: its text, and the space set aside
// for it where that is told and is in the file.
uint64_t locator_space(const Image& image, const ParentLocator& entry);

// "W2ru"; codes of other bytes as hexadecimal.
std::string locator_name(uint32_t platform_code);

}  // namespace viridian::vhd
