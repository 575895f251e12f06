// INQUIRY: what a logical unit says of itself. SPC-4 6.6.
//
// The names are those of Hyper-V's disks, since Linux and Windows take their quirks from them.
#pragma once

#include <cstdint>
#include <string_view>

#include "storvsp/inquiry_spec.h"
#include "storvsp/scsi_request.h"

namespace viridian::storvsp {

constexpr std::string_view kVendor = "Msft    ";
constexpr std::string_view kDiskProduct = "Virtual Disk    ";
constexpr std::string_view kDvdProduct = "Virtual DVD-ROM ";

InquiryData inquiry_data(uint8_t type, std::string_view product, bool removable);

// Ends an INQUIRY for a disk like `info`, or for a DVD drive (which has no block pages).
void execute_inquiry(io::Reactor& reactor, ScsiRequest& request, uint8_t type,
                     const io::DiskInfo& info) noexcept;

}  // namespace viridian::storvsp
