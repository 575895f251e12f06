// open_nbd() where libnbd was not there when the tool was built.
#include "vhd/tool/nbd_source.h"

namespace viridian::vhd::tool {

Result<std::unique_ptr<DiskSource>> open_nbd(const std::string& name,
                                             const std::vector<std::string>&) {
  return fail(ErrorKind::kUnsupported,
              "{}: needs NBD, and this vhdtool was built without libnbd; install libnbd-dev and "
              "build it again",
              name);
}

}  // namespace viridian::vhd::tool
