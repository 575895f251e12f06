// Addresses of UNIX sockets, and files that are left of servers that are gone (unix(7)). Any
// thread.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace viridian::vswitch {

// `field` is what a person calls the path.
Result<sockaddr_un> unix_address(const std::string& path, std::string_view field = "socket");

// The system's calls take every kind of address by the pointer of this one.
inline const sockaddr* generic_address(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Removes the file if nobody serves it. kLocked: somebody does.
Result<void> remove_stale_socket(const sockaddr_un& address);

}  // namespace viridian::vswitch
