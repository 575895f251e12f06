#include "vmm-minimal/smbios.h"

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <string_view>

#include "vmm-minimal/smbios_format.h"

namespace viridian::vmm {
namespace {

// Of every structure; a structure refers to another by it.
enum Handle : uint16_t {
  kBios,
  kSystem,
  kBaseboard,
  kChassis,
  kProcessor,
  kMemoryArray = 0x10,
  kMemoryDevice = 0x20,
  kArrayAddress = 0x30,
  kBootStatus = 0x40,
  kEndOfTable = 0x7F,
};
constexpr uint8_t kUnknown = 2;  // in nearly every enumeration of the standard
constexpr uint16_t kNoErrorInfo = 0xFFFE;
constexpr uint16_t kNoCache = 0xFFFF;
constexpr uint32_t kMaxKib = 0x80000000, kAllOnes = 0xFFFFFFFF;
constexpr uint16_t kSizeIsExtended = 0x7FFF;

uint8_t checksum(std::span<const std::byte> bytes) {
  uint8_t sum = 0;
  for (const std::byte byte : bytes)
    sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(byte));
  return static_cast<uint8_t>(-sum);
}

class Table {
 public:
  template <WireStruct T>
  void add(uint16_t handle, T structure, std::initializer_list<std::string_view> strings = {}) {
    structure.header.type = T::kType;
    structure.header.length = sizeof(T);
    structure.header.handle = handle;
    const size_t start = bytes_.size();
    append(wire_bytes(structure));
    for (const std::string_view text : strings) {
      append(std::as_bytes(std::span(text)));
      bytes_.push_back(std::byte{0});
    }
    if (strings.size() == 0) bytes_.push_back(std::byte{0});
    bytes_.push_back(std::byte{0});
    largest_ = std::max(largest_, bytes_.size() - start);
    ++count_;
  }
  std::span<const std::byte> bytes() const { return bytes_; }
  size_t largest() const { return largest_; }
  uint16_t count() const { return count_; }

 private:
  void append(std::span<const std::byte> more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
  }
  std::vector<std::byte> bytes_;
  size_t largest_ = 0;
  uint16_t count_ = 0;
};

void add_identity(Table& table) {
  smbios::Bios bios{};
  bios.vendor = 1;
  bios.version = 2;
  bios.date = 3;
  bios.segment = 0xF000;
  bios.characteristics = 1 << 3;          // no characteristics given
  bios.extension = {1 << 0, 1 << 4 | 4};  // ACPI; a virtual machine, targeted content
  bios.ec_major = bios.ec_minor = 0xFF;
  table.add(kBios, bios, {"Viridian", "1.0", "01/01/2026"});

  smbios::System system{};
  system.manufacturer = 1;
  system.product = 2;
  system.version = 3;
  system.serial = 4;
  system.wake_up = 6;  // power switch
  table.add(kSystem, system, {"Microsoft Corporation", "Virtual Machine", "7.0", "0"});

  smbios::Baseboard board{};
  board.manufacturer = 1;
  board.product = 2;
  board.version = 3;
  board.features = 1;  // hosts the processors
  board.chassis = kChassis;
  board.board_type = 10;  // motherboard
  table.add(kBaseboard, board, {"Microsoft Corporation", "Virtual Machine", "7.0"});

  smbios::Chassis chassis{};
  chassis.manufacturer = 1;
  chassis.kind = 3;  // desktop
  chassis.version = 2;
  chassis.boot_state = chassis.supply_state = chassis.thermal_state = 3;  // safe
  chassis.security = kUnknown;
  table.add(kChassis, chassis, {"Microsoft Corporation", "7.0"});
}

void add_processor(Table& table, uint32_t cpu_count) {
  smbios::Processor processor{};
  processor.socket = 1;
  processor.kind = 3;  // central processor
  processor.family = kUnknown;
  processor.status = 0x41;  // socket populated, enabled
  processor.upgrade = kUnknown;
  processor.l1_cache = processor.l2_cache = processor.l3_cache = kNoCache;
  const auto cores = static_cast<uint8_t>(std::min<uint32_t>(cpu_count, 0xFF));
  processor.cores = processor.cores_enabled = processor.threads = cores;
  processor.characteristics = 1 << 2;  // 64-bit
  table.add(kProcessor, processor, {"CPU 0"});
}

// Memory as one module; where it lies is told by the e820 map, here it is one range.
void add_memory(Table& table, uint64_t bytes) {
  smbios::MemoryArray array{};
  array.location = 3;    // on the board
  array.use = 3;         // system memory
  array.correction = 3;  // none
  const uint64_t kib = bytes >> 10;
  array.capacity_kib = kib < kMaxKib ? static_cast<uint32_t>(kib) : kMaxKib;
  array.extended_capacity_bytes = kib < kMaxKib ? 0 : bytes;
  array.error_handle = kNoErrorInfo;
  array.devices = 1;
  table.add(kMemoryArray, array);

  smbios::MemoryDevice device{};
  device.array = kMemoryArray;
  device.error_handle = kNoErrorInfo;
  device.total_width = device.data_width = 64;
  const uint64_t mib = bytes >> 20;
  device.size_mib = static_cast<uint16_t>(std::min<uint64_t>(mib, kSizeIsExtended));
  device.extended_size_mib = mib < kSizeIsExtended ? 0 : static_cast<uint32_t>(mib);
  device.form_factor = kUnknown;
  device.locator = 1;
  device.bank = 2;
  device.memory_type = kUnknown;
  device.detail = 1 << 2;  // unknown
  device.manufacturer = 3;
  table.add(kMemoryDevice, device, {"M0", "Bank 0", "Microsoft Corporation"});

  smbios::ArrayAddress address{};
  const bool extended = kib > kAllOnes;
  address.start_kib = extended ? kAllOnes : 0;
  address.end_kib = extended || kib == 0 ? kAllOnes : static_cast<uint32_t>(kib - 1);
  address.extended_end = extended ? bytes - 1 : 0;
  address.array = kMemoryArray;
  address.partition_width = 1;
  table.add(kArrayAddress, address);
}

}  // namespace

std::vector<std::byte> build_smbios_tables(const SmbiosConfig& config) {
  Table table;
  add_identity(table);
  add_processor(table, config.cpu_count);
  add_memory(table, config.memory_bytes);
  table.add(kBootStatus, smbios::BootStatus{});
  table.add(kEndOfTable, smbios::EndOfTable{});

  constexpr size_t kTableOffset = 32;  // the entry point and a byte
  smbios::EntryPoint entry{};
  entry.anchor = {'_', 'S', 'M', '_'};
  entry.length = sizeof(entry);
  entry.major = 2;
  entry.minor = 8;
  entry.bcd_revision = 0x28;
  entry.max_structure = static_cast<uint16_t>(table.largest());
  entry.dmi_anchor = {'_', 'D', 'M', 'I', '_'};
  entry.table_length = static_cast<uint16_t>(table.bytes().size());
  entry.table_address = static_cast<uint32_t>(to_u64(kSmbiosBase) + kTableOffset);
  entry.structure_count = table.count();
  entry.dmi_checksum = checksum(wire_bytes(entry).subspan(smbios::kDmiOffset, smbios::kDmiLength));
  entry.checksum = checksum(wire_bytes(entry));

  std::vector<std::byte> bytes(kTableOffset);
  write_wire(std::span(bytes), entry);
  bytes.insert(bytes.end(), table.bytes().begin(), table.bytes().end());
  return bytes;
}

Result<void> write_smbios_tables(const GuestMemory& memory, const SmbiosConfig& config) {
  const auto tables = build_smbios_tables(config);
  assert(tables.size() <= kSmbiosSpace);
  if (!memory.write(kSmbiosBase, tables)) {
    return fail(ErrorKind::kInvalidArgument, "guest memory: none at {:#x} for the SMBIOS tables",
                to_u64(kSmbiosBase));
  }
  return {};
}

}  // namespace viridian::vmm
