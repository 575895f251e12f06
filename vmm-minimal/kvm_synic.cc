#include "vmm-minimal/kvm_synic.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

Result<std::unique_ptr<KvmSynic>> KvmSynic::create(Vm& vm, uint32_t vp_count) {
  std::unique_ptr<KvmSynic> synic(new KvmSynic(vm));
  for (uint32_t i = 0; i < vp_count; ++i) {
    const auto gsi = vm.allocate_gsi();
    if (!gsi) return Unexpected(gsi.error());
    UniqueFd event_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_fd) return fail_errno("eventfd", errno);
    VIRIDIAN_TRY(vm.add_irqfd(*gsi, event_fd.get()));
    synic->vps_.push_back({*gsi, std::move(event_fd)});
  }
  return synic;
}

KvmSynic::~KvmSynic() {
  for (const Vp& vp : vps_)
    vm_.remove_irqfd(vp.gsi, vp.event_fd.get());
}

// A failure here (out of memory in the kernel) leaves the old route; the guest loses interrupts and
// its driver reports that.
void KvmSynic::route(uint32_t vp, std::optional<uint8_t> vector) noexcept {
  const uint32_t gsi = vps_[vp].gsi;
  if (!vector) {
    [[maybe_unused]] const auto gone = vm_.unroute_msi(gsi);
    return;
  }
  // A physical-mode, fixed, edge-triggered message: Intel SDM volume 3, 11.11.
  [[maybe_unused]] const auto done = vm_.route_msi(gsi, kLocalApicBase | vp << 12, *vector);
}

void KvmSynic::interrupt(uint32_t vp) noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      ::write(vps_[vp].event_fd.get(), &one, sizeof(one));  // KVM consumes it at once
}

Result<void> KvmSynic::add_doorbell(uint32_t connection_id, int event_fd) {
  return vm_.add_port_doorbell(kSignalPort, 4, connection_id, event_fd);
}

void KvmSynic::remove_doorbell(uint32_t connection_id, int event_fd) noexcept {
  vm_.remove_port_doorbell(kSignalPort, 4, connection_id, event_fd);
}

}  // namespace viridian::vmm
