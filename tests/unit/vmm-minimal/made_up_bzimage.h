// A bzImage's bytes with a header that the loader accepts; tests then spoil one field.
#pragma once

#include <cstring>
#include <vector>

#include "vmm-minimal/linux_boot_protocol.h"

namespace viridian::vmm {

struct MadeUpBzImage {
  static constexpr size_t kSetupSectors = 1;
  static constexpr size_t kKernelBytes = 4096;

  MadeUpBzImage() {
    header.setup_sects = kSetupSectors;
    header.syssize = kKernelBytes / 16;
    header.boot_flag = linux_boot::kBootFlag;
    header.header = linux_boot::kHeaderMagic;
    header.version = 0x020F;
    header.loadflags = linux_boot::kLoadedHigh;
    header.initrd_addr_max = 0x7FFF'FFFF;
    header.xloadflags = linux_boot::kKernel64;
    header.cmdline_size = 2047;
    header.pref_address = 0x10'0000;
    header.init_size = 0x1'0000;
  }

  std::vector<std::byte> bytes() const {
    std::vector<std::byte> file((kSetupSectors + 1) * linux_boot::kSectorBytes + kKernelBytes);
    std::memcpy(file.data() + linux_boot::kHeaderOffset, &header, sizeof(header));
    std::fill(file.end() - kKernelBytes, file.end(), std::byte{0xAB});
    return file;
  }

  linux_boot::SetupHeader header{};
};

}  // namespace viridian::vmm
