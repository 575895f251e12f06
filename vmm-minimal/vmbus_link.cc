#include "vmm-minimal/vmbus_link.h"

namespace viridian::vmm {

VmbusLink::VmbusLink(io::Reactor& reactor, Hyperv& hyperv, Synic& synic, vmbus::Server& server)
    : reactor_(reactor), server_(server) {
  run = [](io::Completion& completion) noexcept {
    auto& link = static_cast<VmbusLink&>(completion);
    link.posted_.store(false);  // before the call: room that appears during it is told again
    link.server_.message_space();
  };
  hyperv.set_receiver(
      {[](void* context, uint32_t connection_id, std::span<const std::byte> payload) noexcept {
         return static_cast<vmbus::Server*>(context)->guest_message(connection_id, payload);
       },
       &server});
  synic.set_space_listener({[](void* context) noexcept {
                              auto* link = static_cast<VmbusLink*>(context);
                              if (!link->posted_.exchange(true)) link->reactor_.post(*link);
                            },
                            this});
}

}  // namespace viridian::vmm
