// A vhost-user socket served through rte_vhost (QEMU: docs/interop/vhost-user.rst): which features
// are offered, and the callbacks of rte_vhost's thread, which tell a VhostLink of the front end
// that comes and goes.
//
// As a server it listens, and one front end at a time has the device; as a client it connects, and
// tries again each second while nobody is there or when the other end went. One queue pair. What a
// front end sends that breaks the protocol ends its connection; the rings are rte_vhost's part.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "vswitch/vhost_link.h"

namespace viridian::vswitch {

class VhostSocket {
 public:
  // Control's thread; DPDK runs. A server takes the place of a socket that nobody serves any more.
  static Result<std::unique_ptr<VhostSocket>> open(const std::string& path, bool client);
  // Any thread but the worker's, when the worker has let go of the link: ends all connections.
  ~VhostSocket();
  VhostSocket(const VhostSocket&) = delete;
  VhostSocket& operator=(const VhostSocket&) = delete;

  VhostLink& link() noexcept { return *link_; }

 private:
  explicit VhostSocket(std::string path);
  Result<void> set_up(bool client);

  std::string path_;
  bool registered_ = false;
  std::shared_ptr<VhostLink> link_;  // callbacks find it by the path
};

}  // namespace viridian::vswitch
