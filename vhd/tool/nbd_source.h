// A source that a server gives by NBD: a disk on another machine, or any format that qemu-nbd
// reads. libnbd(3). Where the tool is built without libnbd, opening fails and says so.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vhd/tool/disk_source.h"

namespace viridian::vhd::tool {

bool is_nbd_uri(const std::string& source);
// The format that qemu-nbd is to read a file as, by its name: "qcow2" of "x.qcow2". Empty for what
// this library reads itself.
std::string foreign_format(const std::string& path);

// `server`: a command that serves the disk on a private socket that it inherits (systemd's socket
// activation) and is ended with the source; empty: `name` is a URI.
Result<std::unique_ptr<DiskSource>> open_nbd(const std::string& name,
                                             const std::vector<std::string>& server);
// The file at `path` through qemu-nbd, for reading only. The format is never guessed by its bytes.
// `files_outside`: although the image names files out of its folder. `direct`: past the page cache.
Result<std::unique_ptr<DiskSource>> open_foreign(const std::string& path, const std::string& format,
                                                 bool files_outside, bool direct);

}  // namespace viridian::vhd::tool
