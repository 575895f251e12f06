// Ties a VMBus server to the hypervisor's interface: the guest's messages go to the server, and the
// server hears when a full message queue has room again. Made after all of them, before the guest
// starts; ended after it.
#pragma once

#include <atomic>

#include "io/reactor.h"
#include "vmbus/server.h"
#include "vmm-minimal/hyperv.h"

namespace viridian::vmm {

class VmbusLink : private io::Completion {
 public:
  VmbusLink(io::Reactor& reactor, Hyperv& hyperv, Synic& synic, vmbus::Server& server);

 private:
  io::Reactor& reactor_;
  vmbus::Server& server_;
  std::atomic<bool> posted_{false};  // the completion waits on the reactor
};

}  // namespace viridian::vmm
