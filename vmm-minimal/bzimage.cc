#include "vmm-minimal/bzimage.h"

#include <algorithm>
#include <cstring>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

using linux_boot::kBootFlag;
using linux_boot::kDefaultSetupSectors;
using linux_boot::kEntry64;
using linux_boot::kHeaderMagic;
using linux_boot::kHeaderOffset;
using linux_boot::kKernel64;
using linux_boot::kLoadedHigh;
using linux_boot::kSectorBytes;
using linux_boot::kVersion2_12;
using linux_boot::SetupHeader;

Result<BzImage> parse_bzimage(std::string_view name, std::span<const std::byte> head,
                              uint64_t file_bytes) {
  constexpr size_t kVersionEnd =
      kHeaderOffset + offsetof(SetupHeader, version) + sizeof(SetupHeader::version);
  if (head.size() < kVersionEnd) {
    return fail(ErrorKind::kCorrupt, "{}: no Linux bzImage: {} bytes are too few for a header",
                name, head.size());
  }
  BzImage image{};
  const auto bytes = head.subspan(kHeaderOffset);
  std::memcpy(&image.header, bytes.data(), std::min(bytes.size(), sizeof(image.header)));
  const SetupHeader& header = image.header;
  if (header.boot_flag.get() != kBootFlag) {
    return fail(ErrorKind::kCorrupt, "{}: no Linux bzImage: boot_flag is {:#06x}, not 0xaa55", name,
                header.boot_flag.get());
  }
  if (header.header.get() != kHeaderMagic) {
    return fail(ErrorKind::kCorrupt, "{}: no Linux bzImage: header is {:#010x}, not 'HdrS'", name,
                header.header.get());
  }
  if (header.version < kVersion2_12) {
    return fail(ErrorKind::kCorrupt,
                "{}: version is {}.{:02}; the boot protocol must be 2.12 (Linux 3.8) or "
                "later",
                name, header.version.get() >> 8, header.version.get() & 0xFF);
  }
  if (bytes.size() < sizeof(SetupHeader)) {
    return fail(ErrorKind::kCorrupt, "{}: truncated: {} bytes end within the header", name,
                head.size());
  }
  if ((header.loadflags & kLoadedHigh) == 0) {
    return fail(ErrorKind::kCorrupt, "{}: loadflags is {:#04x}: a zImage; use a bzImage", name,
                header.loadflags);
  }
  if ((header.xloadflags & kKernel64) == 0) {
    return fail(ErrorKind::kCorrupt,
                "{}: xloadflags is {:#06x}: no 64-bit entry point; use an x86-64 kernel", name,
                header.xloadflags.get());
  }
  const uint64_t setup_sectors =
      header.setup_sects == 0 ? kDefaultSetupSectors : header.setup_sects;
  image.kernel_offset = (setup_sectors + 1) * kSectorBytes;
  if (file_bytes <= image.kernel_offset + kEntry64) {
    return fail(ErrorKind::kCorrupt,
                "{}: truncated: setup_sects is {}, so the kernel starts at byte {}, but "
                "the file has {} bytes",
                name, setup_sectors, image.kernel_offset, file_bytes);
  }
  image.kernel_bytes = file_bytes - image.kernel_offset;
  // syssize: the kernel's own idea of its length, in units of 16 bytes.
  if (uint64_t{header.syssize} * 16 > (image.kernel_bytes + 15) / 16 * 16) {
    return fail(ErrorKind::kCorrupt,
                "{}: truncated: syssize is {} bytes, but the file holds {} of them", name,
                uint64_t{header.syssize} * 16, image.kernel_bytes);
  }
  image.load_address = header.pref_address;
  if (image.load_address < kOneMiB || image.load_address >= kLowMemoryEnd) {
    return fail(ErrorKind::kCorrupt, "{}: pref_address is {:#x}, not between 1 MiB and 3 GiB", name,
                image.load_address);
  }
  if (header.init_size < image.kernel_bytes) {
    return fail(ErrorKind::kCorrupt, "{}: init_size is {}, less than the kernel's {} bytes", name,
                header.init_size.get(), image.kernel_bytes);
  }
  return image;
}

}  // namespace viridian::vmm
