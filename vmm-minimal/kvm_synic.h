// The SynIC's interrupts and doorbells on KVM: for each vCPU one eventfd that KVM turns into an
// interrupt message (irqfd), so any thread interrupts a guest by one write; for each connection id
// an eventfd that the hypercall page's OUT rings inside the kernel.
#pragma once

#include <vector>

#include "io/unique_fd.h"
#include "vmm-minimal/kvm.h"
#include "vmm-minimal/synic.h"

namespace viridian::vmm {

class KvmSynic final : public SynicBackend {
 public:
  // vCPU n's local APIC has id n. `vm` outlives it.
  static Result<std::unique_ptr<KvmSynic>> create(Vm& vm, uint32_t vp_count);
  ~KvmSynic() override;

  void route(uint32_t vp, std::optional<uint8_t> vector) noexcept override;
  void interrupt(uint32_t vp) noexcept override;
  Result<void> add_doorbell(uint32_t connection_id, int event_fd) override;
  void remove_doorbell(uint32_t connection_id, int event_fd) noexcept override;

 private:
  struct Vp {
    uint32_t gsi;
    UniqueFd event_fd;
  };
  explicit KvmSynic(Vm& vm) : vm_(vm) {}

  Vm& vm_;
  std::vector<Vp> vps_;
};

}  // namespace viridian::vmm
