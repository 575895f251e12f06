// Opens the images that a configuration names.
#pragma once

#include <memory>

#include "io/block_device.h"
#include "vmm-minimal/config.h"

namespace viridian::vmm {

// On `reactor`'s thread. Errors begin with the disk's address and name the file. A CD-ROM's image
// is raw and never written.
Result<std::unique_ptr<io::BlockDevice>> open_image(io::Reactor& reactor, const DiskConfig& disk);

// What IDENTIFY DEVICE calls the disk: the configured serial number, or one made of the address.
std::string serial_number(const DiskConfig& disk);

}  // namespace viridian::vmm
