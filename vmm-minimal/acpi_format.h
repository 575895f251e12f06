// ACPI tables as they lie in memory. ACPI 5.0 (the FADT is revision 5), chapter 5.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace viridian::vmm::acpi {

struct Rsdp {                     // 5.2.5.3
  std::array<char, 8> signature;  // "RSD PTR "
  uint8_t checksum;               // of the first 20 bytes
  std::array<char, 6> oem_id;
  uint8_t revision;
  le32 rsdt;
  le32 length;
  le64 xsdt;
  uint8_t extended_checksum;  // of all
  std::array<uint8_t, 3> reserved;
};
static_assert(WireStruct<Rsdp> && sizeof(Rsdp) == 36 && offsetof(Rsdp, xsdt) == 24);

struct Header {  // 5.2.6
  std::array<char, 4> signature;
  le32 length;
  uint8_t revision;
  uint8_t checksum;
  std::array<char, 6> oem_id;
  std::array<char, 8> oem_table_id;
  le32 oem_revision;
  std::array<char, 4> creator_id;
  le32 creator_revision;
};
static_assert(WireStruct<Header> && sizeof(Header) == 36);

struct Address {  // 5.2.3.1, generic address structure
  uint8_t space;
  uint8_t bit_width;
  uint8_t bit_offset;
  uint8_t access_size;
  le64 address;
};
static_assert(WireStruct<Address> && sizeof(Address) == 12);
constexpr uint8_t kSystemIo = 1, kByteAccess = 1, kWordAccess = 2, kDwordAccess = 3;

struct Fadt {  // 5.2.9
  Header header;
  le32 firmware_control, dsdt;
  uint8_t reserved0, preferred_profile;
  le16 sci_interrupt;
  le32 smi_command;
  uint8_t acpi_enable, acpi_disable, s4bios_request, pstate_control;
  le32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
  uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
  uint8_t gpe0_length, gpe1_length, gpe1_base, cst_control;
  le16 c2_latency, c3_latency, flush_size, flush_stride;
  uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
  le16 boot_architecture;
  uint8_t reserved1;
  le32 flags;
  Address reset_register;
  uint8_t reset_value;
  std::array<uint8_t, 3> reserved2;
  le64 x_firmware_control, x_dsdt;
  Address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer;
  Address x_gpe0, x_gpe1, sleep_control, sleep_status;
};
static_assert(WireStruct<Fadt> && sizeof(Fadt) == 268);
static_assert(offsetof(Fadt, boot_architecture) == 109 && offsetof(Fadt, flags) == 112);
static_assert(offsetof(Fadt, x_dsdt) == 140 && offsetof(Fadt, x_pm_timer) == 208);

constexpr uint16_t kLegacyDevices = 1 << 0, kNoVga = 1 << 2;  // boot_architecture, table 5-36
constexpr uint32_t kWbinvd = 1 << 0, kProcC1 = 1 << 2, kPowerButton = 1 << 4;  // flags, 5-35
constexpr uint32_t kSleepButton = 1 << 5, kFixedRtc = 1 << 6, kTimer32 = 1 << 8;
constexpr uint32_t kResetSupported = 1 << 10;

struct Facs {  // 5.2.10
  std::array<char, 4> signature;
  le32 length, hardware_signature, waking_vector, global_lock, flags;
  le64 x_waking_vector;
  uint8_t version;
  std::array<uint8_t, 31> reserved;
};
static_assert(WireStruct<Facs> && sizeof(Facs) == 64);

struct Madt {  // 5.2.12; interrupt controller structures follow
  Header header;
  le32 local_apic_address, flags;
};
static_assert(WireStruct<Madt> && sizeof(Madt) == 44);
constexpr uint32_t kPcAtCompatible = 1;

struct LocalApic {  // 5.2.12.2
  uint8_t type = 0, length = 8, processor_id, apic_id;
  le32 flags;
};
struct IoApic {  // 5.2.12.3
  uint8_t type = 1, length = 12, id, reserved = 0;
  le32 address, gsi_base;
};
struct SourceOverride {  // 5.2.12.5
  uint8_t type = 2, length = 10, bus = 0, source;
  le32 gsi;
  le16 flags;
};
struct LocalApicNmi {  // 5.2.12.7
  uint8_t type = 4, length = 6, processor_id;
  le16 flags;
  uint8_t local_input;
};
static_assert(WireStruct<LocalApic> && sizeof(LocalApic) == 8);
static_assert(WireStruct<IoApic> && sizeof(IoApic) == 12);
static_assert(WireStruct<SourceOverride> && sizeof(SourceOverride) == 10);
static_assert(WireStruct<LocalApicNmi> && sizeof(LocalApicNmi) == 6);
constexpr uint16_t kActiveHigh = 1, kLevel = 3 << 2;  // MPS INTI flags, table 5-50

}  // namespace viridian::vmm::acpi
