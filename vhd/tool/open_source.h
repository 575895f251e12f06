// Which kind of source a command's argument names: an image, "-" for standard input, an NBD server,
// or a file that qemu-nbd reads.
#pragma once

#include <memory>
#include <string>

#include "vhd/tool/commands.h"
#include "vhd/tool/image_source.h"

namespace viridian::vhd::tool {

struct OpenedSource {
  std::unique_ptr<DiskSource> disk;
  ImageSource* image = nullptr;  // the same, if it is an image that this library reads
};

struct SourceOptions {
  std::string name;
  std::string from;  // a format that qemu-nbd reads; empty: by the name
  OpenPolicy policy;
  bool direct = false;      // past the page cache
  uint64_t pipe_bytes = 0;  // what standard input will give; 0: its end tells
};
Result<OpenedSource> open_source(const SourceOptions& options);

}  // namespace viridian::vhd::tool
