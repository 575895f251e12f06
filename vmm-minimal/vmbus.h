// The VMBus of one machine: the server, tied to the hypervisor's interface. Storage and NICs make
// their offers on it.
//
// The server lives on the device thread, as its devices do; the members are called by the main
// thread, or a guest's own, and go there themselves, but for server(), which belongs there.
#pragma once

#include <optional>

#include "io/reactor_thread.h"
#include "vmbus/server.h"
#include "vmm-minimal/chipset.h"
#include "vmm-minimal/vmbus_link.h"

namespace viridian::vmm {

class Vmbus {
 public:
  // REQUIRES: `chipset` has a SynIC.
  Vmbus(io::ReactorThread& thread, const GuestMemory& memory, Chipset& chipset);
  ~Vmbus();  // before every device that is offered
  Vmbus(const Vmbus&) = delete;
  Vmbus& operator=(const Vmbus&) = delete;

  vmbus::Server& server() noexcept { return *server_; }

  // With the vCPUs ended: every channel is closed after it, and no request is in flight.
  void close();

 private:
  io::ReactorThread& thread_;
  bool closed_ = false;
  std::optional<vmbus::Server> server_;
  std::optional<VmbusLink> link_;
};

}  // namespace viridian::vmm
