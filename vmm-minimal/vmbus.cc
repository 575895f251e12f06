#include "vmm-minimal/vmbus.h"

#include <utility>

namespace viridian::vmm {
namespace {

// For waiting on the reactor's thread.
struct Done : io::Completion {
  Done()
      : io::Completion([](io::Completion& self) noexcept { static_cast<Done&>(self).set = true; }) {
  }
  bool set = false;
};

}  // namespace

Vmbus::Vmbus(io::ReactorThread& thread, const GuestMemory& memory, Chipset& chipset)
    : thread_(thread) {
  thread_.call([&] {
    server_.emplace(thread_.reactor(), memory, *chipset.synic());
    link_.emplace(thread_.reactor(), *chipset.hyperv(), *chipset.synic(), *server_);
  });
}

void Vmbus::close() {
  if (std::exchange(closed_, true)) return;
  thread_.call([this] {
    Done closed;
    server_->reset(closed);
    thread_.reactor().run_until([&] { return closed.set; });
  });
}

Vmbus::~Vmbus() {
  close();
  thread_.call([this] {
    link_.reset();
    server_.reset();
  });
}

}  // namespace viridian::vmm
