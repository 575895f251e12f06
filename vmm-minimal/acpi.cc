#include "vmm-minimal/acpi.h"

#include <algorithm>
#include <cassert>
#include <string_view>

#include "vmm-minimal/acpi_format.h"
#include "vmm-minimal/acpi_pm.h"
#include "vmm-minimal/dsdt.hex"  // made of dsdt.asl: the array dsdt_aml_code

namespace viridian::vmm {
namespace {

using acpi::Address;

constexpr uint16_t kResetPort = 0xCF9;
constexpr uint8_t kResetValue = 0x06, kCenturyInCmos = 0x32;
constexpr uint16_t kNoC2 = 101, kNoC3 = 1001;  // latencies that mean "not there"
constexpr uint8_t kAllProcessors = 0xFF, kNmiInput = 1;

template <size_t N>
std::array<char, N> text(std::string_view value) {
  std::array<char, N> result{};
  assert(value.size() == N);
  std::copy(value.begin(), value.end(), result.begin());
  return result;
}

acpi::Header header(std::string_view signature, uint8_t revision) {
  acpi::Header result{};
  result.signature = text<4>(signature);
  result.revision = revision;
  result.oem_id = text<6>("VRDIAN");
  result.oem_table_id = text<8>("VIRIDIAN");
  result.oem_revision = 1;
  result.creator_id = text<4>("VRDN");
  result.creator_revision = 1;
  return result;
}

uint8_t checksum(std::span<const std::byte> bytes) {
  uint8_t sum = 0;
  for (const std::byte byte : bytes)
    sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(byte));
  return static_cast<uint8_t>(-sum);
}

Address port(uint16_t address, uint8_t bits, uint8_t access) {
  Address result{};
  result.space = acpi::kSystemIo;
  result.bit_width = bits;
  result.access_size = access;
  result.address = address;
  return result;
}

// The tables one after another, each on 16 bytes; places are guest physical addresses.
class Blob {
 public:
  uint64_t append(std::span<const std::byte> bytes) {
    bytes_.resize((bytes_.size() + 15) / 16 * 16);
    const uint64_t at = to_u64(kAcpiBase) + bytes_.size();
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return at;
  }
  // A table with a header: its length and checksum are filled in.
  uint64_t append_table(std::span<const std::byte> table) {
    const uint64_t at = append(table);
    const auto placed = std::span(bytes_).last(table.size());
    auto head = *read_wire<acpi::Header>(placed);
    head.length = static_cast<uint32_t>(table.size());
    head.checksum = 0;
    write_wire(placed, head);
    head.checksum = checksum(placed);
    write_wire(placed, head);
    return at;
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

template <WireStruct T>
void add(std::vector<std::byte>& bytes, const T& value) {
  const auto view = wire_bytes(value);
  bytes.insert(bytes.end(), view.begin(), view.end());
}

std::vector<std::byte> build_madt(uint32_t cpu_count) {
  std::vector<std::byte> bytes;
  acpi::Madt madt{};
  madt.header = header("APIC", 3);
  madt.local_apic_address = static_cast<uint32_t>(kLocalApicBase);
  madt.flags = acpi::kPcAtCompatible;
  add(bytes, madt);
  for (uint32_t i = 0; i < cpu_count; ++i) {
    const auto id = static_cast<uint8_t>(i);
    add(bytes, acpi::LocalApic{.processor_id = id, .apic_id = id, .flags = 1});
  }
  add(bytes, acpi::IoApic{.id = 0, .address = static_cast<uint32_t>(kIoApicBase), .gsi_base = 0});
  add(bytes, acpi::SourceOverride{.source = kTimerGsi, .gsi = kTimerPin, .flags = 0});
  add(bytes, acpi::SourceOverride{
                 .source = kSciGsi, .gsi = kSciGsi, .flags = acpi::kActiveHigh | acpi::kLevel});
  add(bytes,
      acpi::LocalApicNmi{.processor_id = kAllProcessors, .flags = 0, .local_input = kNmiInput});
  return bytes;
}

acpi::Fadt build_fadt(uint64_t facs, uint64_t dsdt) {
  acpi::Fadt fadt{};
  fadt.header = header("FACP", 5);
  fadt.firmware_control = static_cast<uint32_t>(facs);
  fadt.dsdt = static_cast<uint32_t>(dsdt);
  fadt.x_dsdt = dsdt;
  fadt.preferred_profile = 1;  // desktop
  fadt.sci_interrupt = kSciGsi;
  fadt.pm1a_event = AcpiPm::kEvent;
  fadt.pm1a_control = AcpiPm::kControl;
  fadt.pm_timer = AcpiPm::kTimer;
  fadt.pm1_event_length = 4;
  fadt.pm1_control_length = 2;
  fadt.pm_timer_length = 4;
  fadt.c2_latency = kNoC2;
  fadt.c3_latency = kNoC3;
  fadt.century = kCenturyInCmos;
  fadt.boot_architecture = acpi::kLegacyDevices | acpi::kNoVga;  // and no 8042
  // "Button" and "fixed RTC" flags set mean: not in the fixed registers.
  fadt.flags = acpi::kWbinvd | acpi::kProcC1 | acpi::kPowerButton | acpi::kSleepButton |
               acpi::kFixedRtc | acpi::kTimer32 | acpi::kResetSupported;
  fadt.reset_register = port(kResetPort, 8, acpi::kByteAccess);
  fadt.reset_value = kResetValue;
  fadt.x_pm1a_event = port(AcpiPm::kEvent, 32, acpi::kWordAccess);
  fadt.x_pm1a_control = port(AcpiPm::kControl, 16, acpi::kWordAccess);
  fadt.x_pm_timer = port(AcpiPm::kTimer, 32, acpi::kDwordAccess);
  return fadt;
}

}  // namespace

std::vector<std::byte> build_acpi_tables(uint32_t cpu_count) {
  Blob blob;
  blob.append(wire_bytes(acpi::Rsdp{}));  // its place; filled in at the end

  acpi::Facs facs{};
  facs.signature = text<4>("FACS");
  facs.length = sizeof(facs);
  facs.version = 1;
  // FACS must lie on 64 bytes: 5.2.10.
  static_assert(sizeof(acpi::Rsdp) <= 64);
  blob.append(std::array<std::byte, 16>{});
  const uint64_t facs_at = blob.append(wire_bytes(facs));
  assert(facs_at % 64 == 0);

  const uint64_t dsdt_at = blob.append(std::as_bytes(std::span(dsdt_aml_code)));
  const uint64_t fadt_at = blob.append_table(wire_bytes(build_fadt(facs_at, dsdt_at)));
  const uint64_t madt_at = blob.append_table(build_madt(cpu_count));
  std::vector<std::byte> xsdt;
  add(xsdt, header("XSDT", 1));
  add(xsdt, le64{fadt_at});
  add(xsdt, le64{madt_at});
  const uint64_t xsdt_at = blob.append_table(xsdt);

  auto bytes = blob.take();
  acpi::Rsdp rsdp{};
  rsdp.signature = text<8>("RSD PTR ");
  rsdp.oem_id = text<6>("VRDIAN");
  rsdp.revision = 2;
  rsdp.length = sizeof(rsdp);
  rsdp.xsdt = xsdt_at;
  rsdp.checksum = checksum(wire_bytes(rsdp).first(20));
  rsdp.extended_checksum = checksum(wire_bytes(rsdp));
  write_wire(std::span(bytes), rsdp);
  return bytes;
}

Result<void> write_acpi_tables(const GuestMemory& memory, uint32_t cpu_count) {
  const auto tables = build_acpi_tables(cpu_count);
  assert(tables.size() <= kAcpiSpace);
  if (!memory.write(kAcpiBase, tables)) {
    return fail(ErrorKind::kInvalidArgument, "guest memory: none at {:#x} for the ACPI tables",
                to_u64(kAcpiBase));
  }
  return {};
}

}  // namespace viridian::vmm
