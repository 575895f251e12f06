#include "vmm-minimal/smbios.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/smbios_format.h"

namespace viridian::vmm {
namespace {

uint8_t sum(std::span<const std::byte> bytes) {
  unsigned total = 0;
  for (const std::byte byte : bytes)
    total += static_cast<unsigned>(byte);
  return static_cast<uint8_t>(total);
}

struct Parsed {
  std::vector<std::byte> body;
  std::vector<std::string> strings;
  std::string text(uint8_t number) const { return number == 0 ? "" : strings.at(number - 1u); }
};

// As a kernel walks the table: by lengths, then to the double zero.
std::vector<Parsed> parse(std::span<const std::byte> table) {
  std::vector<Parsed> result;
  for (size_t at = 0; at < table.size();) {
    Parsed one;
    const auto length = static_cast<size_t>(table[at + 1]);
    one.body.assign(table.begin() + static_cast<ptrdiff_t>(at),
                    table.begin() + static_cast<ptrdiff_t>(at + length));
    at += length;
    std::string text;
    while (table[at] != std::byte{0}) {
      while (table[at] != std::byte{0})
        text += static_cast<char>(table[at++]);
      one.strings.push_back(std::exchange(text, {}));
      ++at;
    }
    at += one.strings.empty() ? 2 : 1;
    result.push_back(one);
  }
  return result;
}

class SmbiosTest : public testing::Test {
 protected:
  std::vector<Parsed> tables(const SmbiosConfig& config) {
    EXPECT_TRUE(write_smbios_tables(memory.memory(), config));
    entry = *memory.memory().read<smbios::EntryPoint>(kSmbiosBase);
    return parse(std::span<const std::byte>(memory.bytes())
                     .subspan(entry.table_address, entry.table_length));
  }
  TestMemory memory{0x100000};
  smbios::EntryPoint entry;
};

TEST_F(SmbiosTest, TheEntryPointIsWhereAKernelLooksAndSumsToZero) {
  const auto all = tables({.memory_bytes = 512 << 20});
  EXPECT_EQ(to_u64(kSmbiosBase) % 16, 0u);
  EXPECT_EQ(sum(wire_bytes(entry)), 0);
  EXPECT_EQ(sum(wire_bytes(entry).subspan(smbios::kDmiOffset, smbios::kDmiLength)), 0);
  EXPECT_EQ(entry.structure_count.get(), all.size());
  size_t largest = 0;
  for (const auto& one : all) {
    size_t size = one.body.size() + (one.strings.empty() ? 2 : 1);
    for (const auto& text : one.strings)
      size += text.size() + 1;
    largest = std::max(largest, size);
  }
  EXPECT_EQ(entry.max_structure.get(), largest);
}

TEST_F(SmbiosTest, TheSystemIsTheOneThatAtaPiixKnows) {
  const auto all = tables({.memory_bytes = 512 << 20});
  const auto system = *read_wire<smbios::System>(all.at(1).body);
  EXPECT_EQ(system.header.type, 1);
  EXPECT_EQ(all[1].text(system.manufacturer), "Microsoft Corporation");
  EXPECT_EQ(all[1].text(system.product), "Virtual Machine");
  EXPECT_EQ(all[1].text(system.version), "7.0");  // "VS2005R2" would mean Virtual PC
}

TEST_F(SmbiosTest, EveryStructureIsThereAndTheLastEndsTheTable) {
  const auto all = tables({.memory_bytes = 512 << 20, .cpu_count = 2});
  std::vector<unsigned> types;
  for (const auto& one : all)
    types.push_back(static_cast<unsigned>(one.body[0]));
  EXPECT_EQ(types, (std::vector<unsigned>{0, 1, 2, 3, 4, 16, 17, 19, 32, 127}));
  EXPECT_EQ(read_wire<smbios::Processor>(all[4].body)->cores, 2);
}

TEST_F(SmbiosTest, MemorySizesAreRightBelowAndAboveTheirFields) {
  auto all = tables({.memory_bytes = 512 << 20});
  EXPECT_EQ(read_wire<smbios::MemoryDevice>(all[6].body)->size_mib.get(), 512);
  EXPECT_EQ(read_wire<smbios::ArrayAddress>(all[7].body)->end_kib.get(), (512u << 10) - 1);
  all = tables({.memory_bytes = uint64_t{5} << 40});
  EXPECT_EQ(read_wire<smbios::MemoryDevice>(all[6].body)->size_mib.get(), 0x7FFF);
  EXPECT_EQ(read_wire<smbios::MemoryDevice>(all[6].body)->extended_size_mib.get(), 5u << 20);
  EXPECT_EQ(read_wire<smbios::ArrayAddress>(all[7].body)->end_kib.get(), 0xFFFFFFFF);
  EXPECT_EQ(read_wire<smbios::ArrayAddress>(all[7].body)->extended_end.get(),
            (uint64_t{5} << 40) - 1);
}

}  // namespace
}  // namespace viridian::vmm
