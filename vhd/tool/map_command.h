// vhdtool map: which layer each part of a disk comes from, as a list, JSON or a picture.
#pragma once

#include <string>

#include "vhd/image.h"
#include "vhd/tool/map.h"

namespace viridian::vhd::tool {

struct MapCommand {
  std::string path;
  OpenPolicy policy;
  MapOptions options;
  bool alone = false;  // the image without its parents
  bool list = false;   // of extents, instead of a picture
  std::string svg;     // not empty: the file that gets a picture
  bool json = false;
};
Result<void> run_map(const MapCommand& command);

}  // namespace viridian::vhd::tool
