// Finds the device behind a port or a guest physical address and calls it with its gate held.
//
// Devices are added before the guest starts, and live as long as the bus. Only a PCI BAR changes
// its place later: set_ranges() may run on one vCPU's thread while others use the bus; an access
// in flight may then still reach the old place, as on a real bus.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "pci/port_io.h"
#include "vmm-minimal/counters.h"

namespace viridian::vmm {

// A device behind guest physical addresses. Calls arrive on a vCPU's thread with gate() held;
// `offset` is relative to its range, `width` is 1, 2, 4 or 8.
class MmioDevice {
 public:
  virtual ~MmioDevice() = default;
  virtual pci::Gate& gate() noexcept = 0;
  virtual uint64_t mmio_read(uint64_t offset, unsigned width) noexcept = 0;
  virtual void mmio_write(uint64_t offset, unsigned width, uint64_t value) noexcept = 0;
};

class IoBus {
 public:
  static constexpr size_t kMaxPortDevices = 64;
  static constexpr size_t kMaxMmioDevices = 16;

  IoBus();

  // An index for set_ranges(). Fails if a port is taken. `name` is shown in the counters.
  Result<unsigned> add(std::string_view name, pci::PortDevice& device);
  Result<void> add_mmio(std::string_view name, MmioDevice& device, uint64_t base, uint64_t size);

  // Moves device `index` to `ranges` (empty: nowhere). Where another device already is, that one
  // stays: a guest cannot put a BAR over a fixed port. One thread at a time for each device.
  void set_ranges(unsigned index, std::span<const pci::PortRange> ranges) noexcept;

  // A guest's IN/OUT or INS/OUTS: `bytes` is a whole number of units of `width` for one port.
  // Ports without a device read as ones and swallow writes; they are counted.
  void port_read(uint16_t port, unsigned width, std::span<std::byte> bytes) noexcept;
  void port_write(uint16_t port, unsigned width, std::span<const std::byte> bytes) noexcept;
  void mmio_read(uint64_t address, std::span<std::byte> bytes) noexcept;
  void mmio_write(uint64_t address, std::span<const std::byte> bytes) noexcept;

  // Group "device <name>": reads, writes, string_reads, string_writes; and what hit no device.
  void append_stats(Stats& stats) const;

 private:
  static constexpr unsigned kPortSpace = 65536;

  struct Counts {
    std::atomic<uint64_t> reads{0}, writes{0}, string_reads{0}, string_writes{0};
  };
  struct PortEntry {
    std::string name;
    pci::PortDevice* device = nullptr;
    unsigned first = kPortSpace, end = 0;  // every port it owns is in between
    Counts counts;
  };
  struct MmioEntry {
    std::string name;
    MmioDevice* device = nullptr;
    uint64_t base = 0, size = 0;
    Counts counts;
  };

  bool claim(unsigned index, pci::PortRange range) noexcept;
  PortEntry* find(uint16_t port) noexcept;
  MmioEntry* find_mmio(uint64_t address, size_t width) noexcept;

  static constexpr uint8_t kNobody = 0xFF;
  std::array<std::atomic<uint8_t>, kPortSpace> owner_;  // of each port: an index into ports_
  std::array<PortEntry, kMaxPortDevices> ports_;
  size_t port_count_ = 0;
  std::array<MmioEntry, kMaxMmioDevices> mmio_;
  size_t mmio_count_ = 0;
  Counts unknown_ports_, unknown_mmio_;
};

}  // namespace viridian::vmm
