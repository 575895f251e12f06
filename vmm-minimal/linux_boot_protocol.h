// The Linux x86 boot protocol: Documentation/arch/x86/boot.rst (the header in the kernel's file)
// and zero-page.rst (boot_params, which the loader hands over).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::vmm::linux_boot {

constexpr uint16_t kBootFlag = 0xAA55;
constexpr uint32_t kHeaderMagic = 0x5372'6448;  // "HdrS"
constexpr uint16_t kVersion2_12 = 0x020C;       // the first with xloadflags
constexpr uint8_t kLoadedHigh = 1;              // loadflags
constexpr uint16_t kKernel64 = 1;               // xloadflags: there is a 64-bit entry point
constexpr uint16_t kAbove4G = 2;                // xloadflags: initrd and others may be above 4 GiB
constexpr uint8_t kLoaderUndefined = 0xFF;
constexpr uint64_t kEntry64 = 0x200;  // of the 64-bit entry point in the loaded kernel
constexpr size_t kHeaderOffset = 0x1F1;
constexpr size_t kSectorBytes = 512;
constexpr uint8_t kDefaultSetupSectors = 4;  // what a setup_sects of 0 means

// "The Real-Mode Kernel Header", from file offset 1F1h.
struct SetupHeader {
  uint8_t setup_sects;
  le16 root_flags;
  le32 syssize;
  le16 ram_size, vid_mode, root_dev, boot_flag, jump;
  le32 header;
  le16 version;
  le32 realmode_swtch;
  le16 start_sys_seg, kernel_version;
  uint8_t type_of_loader, loadflags;
  le16 setup_move_size;
  le32 code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
  le16 heap_end_ptr;
  uint8_t ext_loader_ver, ext_loader_type;
  le32 cmd_line_ptr, initrd_addr_max, kernel_alignment;
  uint8_t relocatable_kernel, min_alignment;
  le16 xloadflags;
  le32 cmdline_size, hardware_subarch;
  le64 hardware_subarch_data;
  le32 payload_offset, payload_length;
  le64 setup_data, pref_address;
  le32 init_size, handover_offset, kernel_info_offset;
};
static_assert(WireStruct<SetupHeader> && sizeof(SetupHeader) == 0x26C - kHeaderOffset);
static_assert(offsetof(SetupHeader, header) == 0x202 - kHeaderOffset);
static_assert(offsetof(SetupHeader, xloadflags) == 0x236 - kHeaderOffset);
static_assert(offsetof(SetupHeader, pref_address) == 0x258 - kHeaderOffset);

struct E820Entry {
  le64 address, size;
  le32 type;
};
static_assert(WireStruct<E820Entry> && sizeof(E820Entry) == 20);
constexpr uint32_t kE820Ram = 1, kE820Reserved = 2;
constexpr size_t kE820Max = 128;

struct BootParams {
  std::array<uint8_t, 0x70> screen_and_apm;
  le64 acpi_rsdp_addr;
  std::array<uint8_t, 0x48> drives_and_olpc;
  le32 ext_ramdisk_image, ext_ramdisk_size, ext_cmd_line_ptr;
  std::array<uint8_t, 0x11C> edid_and_efi;
  uint8_t e820_entries;
  std::array<uint8_t, 8> buffers_and_sentinel;
  SetupHeader header;
  std::array<uint8_t, 0x2D0 - 0x26C> edd_signatures;
  std::array<E820Entry, kE820Max> e820_table;
  std::array<uint8_t, 0x1000 - 0xCD0> edd;
};
static_assert(WireStruct<BootParams> && sizeof(BootParams) == 4096);
static_assert(offsetof(BootParams, ext_ramdisk_image) == 0xC0);
static_assert(offsetof(BootParams, e820_entries) == 0x1E8);
static_assert(offsetof(BootParams, header) == kHeaderOffset);
static_assert(offsetof(BootParams, e820_table) == 0x2D0);

// A node of the list at SetupHeader::setup_data, followed by `length` bytes.
struct SetupData {
  le64 next;
  le32 type, length;
};
static_assert(WireStruct<SetupData> && sizeof(SetupData) == 16);
constexpr uint32_t kSetupRngSeed = 9;

}  // namespace viridian::vmm::linux_boot
