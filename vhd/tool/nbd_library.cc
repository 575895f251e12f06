#include "vhd/tool/nbd_library.h"

#include <dlfcn.h>

namespace viridian::vhd::tool {
namespace {

// The name that Debian's libnbd0 and every other build of its stable ABI has.
constexpr const char* kLibrary = "libnbd.so.0";

template <class Function>
bool find(void* library, const char* name, Function& function) {
  // dlsym() gives functions as object pointers: POSIX says that this is how to get one back.
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

}  // namespace

Result<NbdLibrary> NbdLibrary::load() {
  NbdLibrary nbd;
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(ErrorKind::kUnsupported, "needs libnbd; install the package libnbd0");
  }
  const bool whole =
      find(library, "nbd_create", nbd.create) && find(library, "nbd_close", nbd.close) &&
      find(library, "nbd_get_error", nbd.get_error) &&
      find(library, "nbd_aio_is_dead", nbd.aio_is_dead) &&
      find(library, "nbd_add_meta_context", nbd.add_meta_context) &&
      find(library, "nbd_set_uri_allow_local_file", nbd.set_uri_allow_local_file) &&
      find(library, "nbd_aio_connect_uri", nbd.aio_connect_uri) &&
      find(library, "nbd_aio_connect_systemd_socket_activation", nbd.aio_connect_server) &&
      find(library, "nbd_aio_is_connecting", nbd.aio_is_connecting) &&
      find(library, "nbd_aio_is_ready", nbd.aio_is_ready) &&
      find(library, "nbd_aio_pread", nbd.aio_pread) &&
      find(library, "nbd_aio_block_status", nbd.aio_block_status) &&
      find(library, "nbd_aio_command_completed", nbd.aio_command_completed) &&
      find(library, "nbd_poll", nbd.poll) &&
      find(library, "nbd_can_meta_context", nbd.can_meta_context) &&
      find(library, "nbd_can_multi_conn", nbd.can_multi_conn) &&
      find(library, "nbd_get_size", nbd.get_size);
  if (!whole) {
    return fail(ErrorKind::kUnsupported, "needs libnbd 1.14 or newer; {} is older", kLibrary);
  }
  return nbd;
}

}  // namespace viridian::vhd::tool
