// Reads the header of a Linux kernel file and judges whether the loader can start it.
// Linux x86 boot protocol, 2.12 or later, 64-bit entry point. Left out: uncompressed (ELF) kernels.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "vmm-minimal/linux_boot_protocol.h"

namespace viridian::vmm {

struct BzImage {
  linux_boot::SetupHeader header;
  uint64_t kernel_offset;  // in the file: the protected-mode kernel
  uint64_t kernel_bytes;   // to the end of the file
  uint64_t load_address;   // where it wants to be
};

// How much of the file's start parse_bzimage() needs, if it is that long.
constexpr size_t kBzImageHeadBytes = 1024;

// `head` is the start of the file, `file_bytes` its size; `name` opens every message.
Result<BzImage> parse_bzimage(std::string_view name, std::span<const std::byte> head,
                              uint64_t file_bytes);

}  // namespace viridian::vmm
