// Any accesses to the board's ports and to the PCI window: a function is reached only inside its
// BARs and with its gate held, and a reset makes the board answer as at power-on.
#include <fuzzer/FuzzedDataProvider.h>

#include "tests/unit/vmm-minimal/fake_pci_function.h"
#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/acpi_pm.h"
#include "vmm-minimal/cmos.h"
#include "vmm-minimal/legacy_ports.h"
#include "vmm-minimal/memory_map.h"
#include "vmm-minimal/pci_bus.h"

namespace viridian::vmm {

constexpr uint16_t kPorts[] = {0xCF8, 0xCFC, 0xCFC, 0xCF9, 0x70, 0x71, 0x600, 0x604, 0xC000, 0x60};

static void require(bool holds) { holds ? void() : __builtin_trap(); }

static void run(FuzzedDataProvider input) {
  static FakePower power;
  static IoBus io;
  static Cmos cmos(64 << 20);
  static AcpiPm pm(power);
  static LegacyPorts legacy(power);
  static FakePciFunction device;
  static const auto bus = [] {
    require(io.add("cmos", cmos) && io.add("pm", pm) && io.add("legacy", legacy));
    auto created = std::move(*PciBus::create(io));
    require(created->add(2, 0, "device", device).has_value());
    return created;
  }();
  bus->assign_resources();
  while (input.remaining_bytes() > 0) {
    const auto way = input.ConsumeIntegralInRange(0, 3);
    const unsigned width = 1u << input.ConsumeIntegralInRange(0, way < 2 ? 2 : 3);
    const auto port = static_cast<uint16_t>(input.PickValueInArray(kPorts) + (way == 1) * width);
    const uint64_t address = kPciWindowBase + input.ConsumeIntegralInRange(0u, 0x1010u);
    std::byte bytes[8] = {};
    input.ConsumeData(bytes, width);
    const auto unit = std::span(bytes).first(width);
    if (way == 0) io.port_write(port, width, unit);
    if (way == 1) io.port_read(port, width, unit);
    if (way == 2) io.mmio_write(address, unit);
    if (way == 3) io.mmio_read(address, unit);
  }
  require(device.held && device.inside);
  bus->reset();
  bus->assign_resources();
  std::byte bytes[4];
  io.mmio_read(kPciWindowBase + 8, bytes);
  require(bytes[0] == std::byte{4} && bytes[1] == std::byte{8} && bytes[2] == std::byte{1});
}

}  // namespace viridian::vmm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  viridian::vmm::run(FuzzedDataProvider(data, size));
  return 0;
}
