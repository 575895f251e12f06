// Which kind of source a command's argument names: an image, or "-" for standard input.
#pragma once

#include <memory>

#include "vhd/tool/commands.h"
#include "vhd/tool/image_source.h"

namespace viridian::vhd::tool {

struct OpenedSource {
  std::unique_ptr<DiskSource> disk;
  ImageSource* image = nullptr;  // the same, if it is an image that this library reads
};

Result<OpenedSource> open_source(const ConvertCommand& command);

}  // namespace viridian::vhd::tool
