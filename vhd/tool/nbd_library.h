// libnbd, loaded when a command needs it: everything else works where it is not installed, and
// vhdtool's run-time dependency stays liburing. libnbd(3).
#pragma once

#include <libnbd.h>

#include <memory>

#include "base/result.h"

namespace viridian::vhd::tool {

// The functions that are used, under their own names without "nbd_".
struct NbdLibrary {
  decltype(&nbd_create) create = nullptr;
  decltype(&nbd_close) close = nullptr;
  decltype(&nbd_get_error) get_error = nullptr;
  decltype(&nbd_add_meta_context) add_meta_context = nullptr;
  decltype(&nbd_set_uri_allow_local_file) set_uri_allow_local_file = nullptr;
  decltype(&nbd_aio_connect_uri) aio_connect_uri = nullptr;
  decltype(&nbd_aio_connect_systemd_socket_activation) aio_connect_server = nullptr;
  decltype(&nbd_aio_is_connecting) aio_is_connecting = nullptr;
  decltype(&nbd_aio_is_ready) aio_is_ready = nullptr;
  decltype(&nbd_aio_is_dead) aio_is_dead = nullptr;
  decltype(&nbd_aio_pread) aio_pread = nullptr;
  decltype(&nbd_aio_block_status) aio_block_status = nullptr;
  decltype(&nbd_aio_command_completed) aio_command_completed = nullptr;
  decltype(&nbd_poll) poll = nullptr;
  decltype(&nbd_can_meta_context) can_meta_context = nullptr;
  decltype(&nbd_can_multi_conn) can_multi_conn = nullptr;
  decltype(&nbd_get_size) get_size = nullptr;

  // Stays loaded until the program ends.
  static Result<NbdLibrary> load();
};

}  // namespace viridian::vhd::tool
