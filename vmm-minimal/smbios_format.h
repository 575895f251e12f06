// SMBIOS structures as they lie in memory: DMTF DSP0134 2.8, chapters 5 to 7. A field named like a
// text holds the number of a string behind the structure, from 1; 0 is none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::vmm::smbios {

struct EntryPoint {            // 5.2.1
  std::array<char, 4> anchor;  // "_SM_"
  uint8_t checksum, length, major, minor;
  le16 max_structure;
  uint8_t revision;
  std::array<uint8_t, 5> formatted;
  std::array<char, 5> dmi_anchor;  // "_DMI_"
  uint8_t dmi_checksum;
  le16 table_length;
  le32 table_address;
  le16 structure_count;
  uint8_t bcd_revision;
};
static_assert(WireStruct<EntryPoint> && sizeof(EntryPoint) == 31);
constexpr size_t kDmiOffset = offsetof(EntryPoint, dmi_anchor), kDmiLength = 15;

struct Header {  // 6.1.2
  uint8_t type, length;
  le16 handle;
};
static_assert(WireStruct<Header> && sizeof(Header) == 4);

struct Bios {  // 7.1
  static constexpr uint8_t kType = 0;
  Header header;
  uint8_t vendor, version;
  le16 segment;
  uint8_t date, rom_size;
  le64 characteristics;
  std::array<uint8_t, 2> extension;
  uint8_t major, minor, ec_major, ec_minor;
};
static_assert(WireStruct<Bios> && sizeof(Bios) == 24);

struct System {  // 7.2
  static constexpr uint8_t kType = 1;
  Header header;
  uint8_t manufacturer, product, version, serial;
  std::array<uint8_t, 16> uuid;
  uint8_t wake_up, sku, family;
};
static_assert(WireStruct<System> && sizeof(System) == 27);

struct Baseboard {  // 7.3
  static constexpr uint8_t kType = 2;
  Header header;
  uint8_t manufacturer, product, version, serial, asset, features, location;
  le16 chassis;
  uint8_t board_type, contained;
};
static_assert(WireStruct<Baseboard> && sizeof(Baseboard) == 15);

struct Chassis {  // 7.4
  static constexpr uint8_t kType = 3;
  Header header;
  uint8_t manufacturer, kind, version, serial, asset, boot_state, supply_state, thermal_state;
  uint8_t security;
  le32 oem;
  uint8_t height, cords, contained, contained_length, sku;
};
static_assert(WireStruct<Chassis> && sizeof(Chassis) == 22);

struct Processor {  // 7.5
  static constexpr uint8_t kType = 4;
  Header header;
  uint8_t socket, kind, family, manufacturer;
  le64 id;
  uint8_t version, voltage;
  le16 external_clock, max_speed, current_speed;
  uint8_t status, upgrade;
  le16 l1_cache, l2_cache, l3_cache;
  uint8_t serial, asset, part, cores, cores_enabled, threads;
  le16 characteristics, family2;
};
static_assert(WireStruct<Processor> && sizeof(Processor) == 42);

struct MemoryArray {  // 7.17
  static constexpr uint8_t kType = 16;
  Header header;
  uint8_t location, use, correction;
  le32 capacity_kib;
  le16 error_handle, devices;
  le64 extended_capacity_bytes;
};
static_assert(WireStruct<MemoryArray> && sizeof(MemoryArray) == 23);

struct MemoryDevice {  // 7.18
  static constexpr uint8_t kType = 17;
  Header header;
  le16 array, error_handle, total_width, data_width, size_mib;
  uint8_t form_factor, device_set, locator, bank, memory_type;
  le16 detail, speed;
  uint8_t manufacturer, serial, asset, part, attributes;
  le32 extended_size_mib;
  le16 configured_speed, min_voltage, max_voltage, configured_voltage;
};
static_assert(WireStruct<MemoryDevice> && sizeof(MemoryDevice) == 40);

struct ArrayAddress {  // 7.20
  static constexpr uint8_t kType = 19;
  Header header;
  le32 start_kib, end_kib;
  le16 array;
  uint8_t partition_width;
  le64 extended_start, extended_end;
};
static_assert(WireStruct<ArrayAddress> && sizeof(ArrayAddress) == 31);

struct BootStatus {  // 7.33
  static constexpr uint8_t kType = 32;
  Header header;
  std::array<uint8_t, 6> reserved;
  uint8_t status;
};
static_assert(WireStruct<BootStatus> && sizeof(BootStatus) == 11);

struct EndOfTable {  // 7.45
  static constexpr uint8_t kType = 127;
  Header header;
};

}  // namespace viridian::vmm::smbios
