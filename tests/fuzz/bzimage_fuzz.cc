// Any bytes as the head of a kernel file: refused, or with places that lie inside file and memory.
#include "vmm-minimal/bzimage.h"

#include <cstdlib>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto head = bytes.first(std::min(size, kBzImageHeadBytes));
  // The first byte also chooses a file that is longer than its head.
  const uint64_t file_bytes = size + (size > 0 ? uint64_t{data[0]} << 16 : 0);
  const auto image = parse_bzimage("fuzz", head, file_bytes);
  if (!image) return 0;
  const bool inside = image->kernel_offset + image->kernel_bytes == file_bytes &&
                      image->kernel_bytes > linux_boot::kEntry64 &&
                      image->load_address >= kOneMiB && image->load_address < kLowMemoryEnd &&
                      image->kernel_bytes <= image->header.init_size;
  if (!inside) std::abort();
  return 0;
}

}  // namespace viridian::vmm
