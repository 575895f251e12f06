// MODE SENSE and MODE SELECT: SPC-4 6.11 to 6.14. Nothing can be changed, so MODE SELECT accepts
// the values that MODE SENSE gives and no others.
#pragma once

#include <cstdint>
#include <span>

#include "storvsp/mode_spec.h"
#include "storvsp/scsi_request.h"

namespace viridian::storvsp {

// What differs between units. `pages` is in the order of the page codes, current values.
struct ModeParameters {
  uint8_t device_specific = 0;
  const ModeBlockDescriptor* descriptor = nullptr;  // null: the unit has none
  std::span<const std::span<const std::byte>> pages;
};

void execute_mode_sense(io::Reactor& reactor, ScsiRequest& request,
                        const ModeParameters& parameters) noexcept;
void execute_mode_select(io::Reactor& reactor, ScsiRequest& request,
                         const ModeParameters& parameters) noexcept;

}  // namespace viridian::storvsp
