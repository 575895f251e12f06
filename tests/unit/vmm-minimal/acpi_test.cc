// The ACPI tables as a kernel walks them, and what ACPICA's own tools say of them.
#include "vmm-minimal/acpi.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/acpi_format.h"
#include "vmm-minimal/acpi_pm.h"
#include "vmm-minimal/pci_bus.h"

namespace viridian::vmm {
namespace {

uint8_t sum(std::span<const std::byte> bytes) {
  unsigned total = 0;
  for (const std::byte byte : bytes)
    total += static_cast<unsigned>(byte);
  return static_cast<uint8_t>(total);
}

class AcpiTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(write_acpi_tables(memory.memory(), 3));
    rsdp = *memory.memory().read<acpi::Rsdp>(kAcpiBase);
    for (const uint64_t at : entries())
      tables[name(at)] = at;
    tables["DSDT"] = fadt().x_dsdt;
  }
  std::vector<uint64_t> entries() {
    const auto xsdt = table(rsdp.xsdt);
    std::vector<uint64_t> result;
    for (size_t at = sizeof(acpi::Header); at < xsdt.size(); at += 8)
      result.push_back(*read_wire<le64>(xsdt, at));
    return result;
  }
  std::string name(uint64_t at) { return {reinterpret_cast<const char*>(memory.at(at)), 4}; }
  std::span<const std::byte> table(uint64_t at) {
    const auto header = memory.memory().read<acpi::Header>(Gpa{at});
    return std::span<const std::byte>(memory.bytes()).subspan(at, header->length);
  }
  acpi::Fadt fadt() { return *read_wire<acpi::Fadt>(table(tables.at("FACP"))); }

  TestMemory memory{0x100000};
  acpi::Rsdp rsdp;
  std::map<std::string, uint64_t> tables;
};

TEST_F(AcpiTest, TheRootPointerIsWhereAKernelLooks) {
  EXPECT_EQ(to_u64(kAcpiBase) % 16, 0u);
  EXPECT_GE(to_u64(kAcpiBase), 0xE0000u);
  EXPECT_EQ(std::string(rsdp.signature.data(), 8), "RSD PTR ");
  EXPECT_EQ(rsdp.revision, 2);
  EXPECT_EQ(sum(wire_bytes(rsdp).first(20)), 0);
  EXPECT_EQ(sum(wire_bytes(rsdp)), 0);
}

TEST_F(AcpiTest, EveryTableHasItsChecksumAndLiesInItsSpace) {
  tables["XSDT"] = rsdp.xsdt;
  for (const auto& [signature, at] : tables) {
    EXPECT_EQ(name(at), signature);
    EXPECT_EQ(sum(table(at)), 0) << signature;
    EXPECT_LE(at + table(at).size(), to_u64(kAcpiBase) + kAcpiSpace) << signature;
  }
  EXPECT_EQ(tables.size(), 4u);
}

TEST_F(AcpiTest, FixedHardwareIsWhereTheDeviceIs) {
  const auto fixed = fadt();
  EXPECT_EQ(fixed.pm1a_event.get(), AcpiPm::kEvent);
  EXPECT_EQ(fixed.x_pm1a_control.address.get(), AcpiPm::kControl);
  EXPECT_EQ(fixed.x_pm_timer.address.get(), AcpiPm::kTimer);
  EXPECT_EQ(fixed.reset_register.address.get(), 0xCF9u);
  EXPECT_EQ(fixed.sci_interrupt.get(), 9);
  EXPECT_EQ(fixed.smi_command.get(), 0u);     // ACPI is always on
  EXPECT_EQ(fixed.boot_architecture & 2, 0);  // no keyboard controller
  EXPECT_EQ(fixed.dsdt.get(), fixed.x_dsdt.get());
  EXPECT_EQ(name(fixed.firmware_control), "FACS");
  EXPECT_EQ(fixed.firmware_control % 64, 0u);
}

TEST_F(AcpiTest, EveryProcessorAndTheInterruptsAreListed) {
  const auto madt = table(tables.at("APIC"));
  unsigned processors = 0, io_apics = 0, overrides = 0, nmis = 0;
  for (size_t at = sizeof(acpi::Madt); at < madt.size();) {
    const auto type = static_cast<unsigned>(madt[at]);
    const auto length = static_cast<size_t>(madt[at + 1]);
    ASSERT_GT(length, 0u);
    if (type == 0) {
      const auto apic = *read_wire<acpi::LocalApic>(madt, at);
      EXPECT_EQ(apic.apic_id, processors++);
      EXPECT_EQ(apic.flags.get(), 1u);
    }
    io_apics += type == 1;
    nmis += type == 4;
    if (type == 2) {
      const auto source = *read_wire<acpi::SourceOverride>(madt, at);
      EXPECT_TRUE((source.source == 0 && source.gsi.get() == 2) ||
                  (source.source == 9 && source.gsi.get() == 9 && source.flags.get() == 0xD));
      ++overrides;
    }
    at += length;
  }
  EXPECT_EQ(processors, 3u);
  EXPECT_EQ(io_apics, 1u);
  EXPECT_EQ(overrides, 2u);
  EXPECT_EQ(nmis, 1u);
}

TEST_F(AcpiTest, WithoutMemoryThereIsAnError) {
  TestMemory small(0x1000);
  EXPECT_FALSE(write_acpi_tables(small.memory(), 1));
}

// Runs a tool on the tables in a folder of its own; nothing if the tool is not installed.
class AcpiToolTest : public AcpiTest {
 protected:
  void SetUp() override {
    AcpiTest::SetUp();
    std::string pattern = std::filesystem::temp_directory_path() / "viridian-acpi-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    for (const auto& [signature, at] : tables) {
      const auto bytes = table(at);
      std::ofstream(folder / (signature + ".dat"), std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  static bool installed(const std::string& tool) {
    return std::system(("command -v " + tool + " > /dev/null 2>&1").c_str()) == 0;
  }
  // Exit status and all that was printed.
  std::pair<int, std::string> run(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen(("cd '" + folder.string() + "' && " + command + " 2>&1").c_str(), "r");
    char buffer[4096];
    while (const size_t count = std::fread(buffer, 1, sizeof(buffer), pipe))
      output.append(buffer, count);
    return {::pclose(pipe), output};
  }
  std::filesystem::path folder;
};

TEST_F(AcpiToolTest, IaslReadsEveryTableWithoutAComplaint) {
  if (!installed("iasl")) GTEST_SKIP() << "iasl (package acpica-tools) is not installed";
  for (const auto& [signature, at] : tables) {
    const auto [status, output] = run("iasl -d " + signature + ".dat");
    EXPECT_EQ(status, 0) << output;
    EXPECT_EQ(output.find("Error"), std::string::npos) << output;
    EXPECT_EQ(output.find("Warning"), std::string::npos) << output;
  }
}

TEST_F(AcpiToolTest, TheInterpreterFindsTheDevicesAndRoutesAsTheBusDoes) {
  if (!installed("acpiexec")) GTEST_SKIP() << "acpiexec (package acpica-tools) is not installed";
  const auto [status, output] =
      run("acpiexec -b 'execute \\_SB.PCI0.VMBS._HID; execute \\_SB.PCI0.VMBS._STA; "
          "execute \\_SB.PCI0.VMBS._CRS; execute \\_S5; execute \\_SB.PCI0._PRT; quit' DSDT.dat");
  EXPECT_EQ(output.find("ACPI Error"), std::string::npos) << output;
  EXPECT_EQ(output.find("ACPI Warning"), std::string::npos) << output;
  EXPECT_NE(output.find("= \"VMBUS\""), std::string::npos);  // ids are upper case to ACPICA
  EXPECT_NE(output.find("[Integer] = 000000000000000F"), std::string::npos);
  EXPECT_NE(output.find("[Integer] = 0000000000000005"), std::string::npos);
  for (const unsigned device : {0u, 1u, 5u, 31u}) {
    for (unsigned pin = 0; pin < 4; ++pin) {
      char route[256];
      std::snprintf(route, sizeof(route),
                    "[Integer] = %016X\n      [Integer] = %016X\n      [Integer] = %016X\n"
                    "      [Integer] = %016X\n",
                    device << 16 | 0xFFFF, pin, 0u, PciBus::gsi_of(device, pin + 1));
      EXPECT_NE(output.find(route), std::string::npos) << device << " " << pin << "\n" << route;
    }
  }
}

}  // namespace
}  // namespace viridian::vmm
