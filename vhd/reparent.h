// Records another parent in a differencing image, or another place of the same one: id, time, name
// and the paths W2ru and W2ku, and MacX where there was one. Paths of other kinds named the old
// parent and go. Nothing of the disk's content is looked at.
//
// The paths are written where nothing is, then the header is replaced as header_update.h says: a
// cut leaves the old parent or the new one. Control path; not for block devices.
#pragma once

#include "io/file.h"
#include "vhd/image.h"
#include "vhd/parent_record.h"

namespace viridian::vhd {

// `image` is what load_image() read from `file`. A null unique id in `parent` means a raw one.
Result<void> write_parent(io::File& file, const Image& image, const ParentRecord& parent);

}  // namespace viridian::vhd
