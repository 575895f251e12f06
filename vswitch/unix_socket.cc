#include "vswitch/unix_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include "io/unique_fd.h"

namespace viridian::vswitch {

Result<sockaddr_un> unix_address(const std::string& path, std::string_view field) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorKind::kInvalidArgument, "{}: \"{}\" must have 1 to {} bytes", field, path,
                sizeof(address.sun_path) - 1);
  }
  path.copy(address.sun_path, path.size());
  return address;
}

Result<void> remove_stale_socket(const sockaddr_un& address) {
  const char* path = address.sun_path;
  struct stat status = {};
  if (::lstat(path, &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return fail(ErrorKind::kInvalidArgument, "socket: {} is there and is no socket", path);
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), generic_address(address), sizeof(address)) == 0)
    return fail(ErrorKind::kLocked, "socket: {} is served by another process", path);
  ::unlink(path);
  return {};
}

}  // namespace viridian::vswitch
