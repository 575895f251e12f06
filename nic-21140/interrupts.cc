#include "nic-21140/interrupts.h"

#include "nic-21140/csr_spec.h"

namespace viridian::tulip {

uint32_t Interrupts::causes() const noexcept {
  uint32_t value = pending_;
  if ((pending_ & cause::kNormal) != 0) value |= cause::kNormalSummary;
  if ((pending_ & cause::kAbnormal) != 0) value |= cause::kAbnormalSummary;
  return value;
}

void Interrupts::update() noexcept {
  const uint32_t let_through = pending_ & enabled_;
  const bool normal =
      (let_through & cause::kNormal) != 0 && (enabled_ & cause::kNormalSummary) != 0;
  const bool abnormal =
      (let_through & cause::kAbnormal) != 0 && (enabled_ & cause::kAbnormalSummary) != 0;
  const bool asserted = normal || abnormal;
  if (asserted == asserted_) return;
  asserted_ = asserted;
  if (asserted) statistics_.interrupts.add();
  line_.set(asserted);
}

}  // namespace viridian::tulip
