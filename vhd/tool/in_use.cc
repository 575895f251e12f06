#include "vhd/tool/in_use.h"

#include <fcntl.h>

#include "vhd/lock.h"

namespace viridian::vhd::tool {

Result<void> refuse_if_in_use(const std::string& path) {
  return refuse_if_locked(path, O_RDWR, LockMode::kWrite);
}

Result<void> refuse_if_written(const std::string& path) {
  return refuse_if_locked(path, O_RDONLY, LockMode::kRead);
}

}  // namespace viridian::vhd::tool
