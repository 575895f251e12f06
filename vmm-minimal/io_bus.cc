#include "vmm-minimal/io_bus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace viridian::vmm {
namespace {

void count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

IoBus::IoBus() {
  for (auto& owner : owner_)
    owner.store(kNobody, std::memory_order_relaxed);
}

bool IoBus::claim(unsigned index, pci::PortRange range) noexcept {
  bool all_free = true;
  PortEntry& entry = ports_[index];
  entry.first = std::min<unsigned>(entry.first, range.base);
  entry.end =
      std::max<unsigned>(entry.end, std::min(unsigned{range.base} + range.count, kPortSpace));
  for (unsigned port = range.base; port < unsigned{range.base} + range.count; ++port) {
    if (port >= kPortSpace) return false;
    uint8_t expected = kNobody;
    all_free &= owner_[port].compare_exchange_strong(expected, static_cast<uint8_t>(index),
                                                     std::memory_order_acq_rel);
  }
  return all_free;
}

Result<unsigned> IoBus::add(std::string_view name, pci::PortDevice& device) {
  if (port_count_ == kMaxPortDevices) {
    return fail(ErrorKind::kUnsupported, "more than {} devices with ports", kMaxPortDevices);
  }
  const auto index = static_cast<unsigned>(port_count_);
  ports_[index].name = name;
  ports_[index].device = &device;
  for (const pci::PortRange& range : device.port_ranges()) {
    if (!claim(index, range)) {
      set_ranges(index, {});
      return fail(ErrorKind::kInvalidArgument, "{}: ports {:#x} to {:#x} are taken", name,
                  range.base, range.base + range.count - 1);
    }
  }
  ++port_count_;
  return index;
}

Result<void> IoBus::add_mmio(std::string_view name, MmioDevice& device, uint64_t base,
                             uint64_t size) {
  if (mmio_count_ == kMaxMmioDevices) {
    return fail(ErrorKind::kUnsupported, "more than {} devices with MMIO", kMaxMmioDevices);
  }
  MmioEntry& entry = mmio_[mmio_count_++];
  entry.name = name;
  entry.device = &device;
  entry.base = base;
  entry.size = size;
  return {};
}

void IoBus::set_ranges(unsigned index, std::span<const pci::PortRange> ranges) noexcept {
  PortEntry& entry = ports_[index];
  for (unsigned port = entry.first; port < entry.end; ++port) {
    uint8_t expected = static_cast<uint8_t>(index);
    owner_[port].compare_exchange_strong(expected, kNobody, std::memory_order_acq_rel);
  }
  entry.first = kPortSpace;
  entry.end = 0;
  for (const pci::PortRange& range : ranges)
    claim(index, range);
}

IoBus::PortEntry* IoBus::find(uint16_t port) noexcept {
  const uint8_t index = owner_[port].load(std::memory_order_acquire);
  return index == kNobody ? nullptr : &ports_[index];
}

IoBus::MmioEntry* IoBus::find_mmio(uint64_t address, size_t width) noexcept {
  for (size_t i = 0; i < mmio_count_; ++i) {
    MmioEntry& entry = mmio_[i];
    if (address >= entry.base && address - entry.base < entry.size &&
        width <= entry.size - (address - entry.base)) {
      return &entry;
    }
  }
  return nullptr;
}

// Guest and host are both x86: a value's bytes in memory are in the guest's order.
void IoBus::port_read(uint16_t port, unsigned width, std::span<std::byte> bytes) noexcept {
  PortEntry* entry = find(port);
  if (entry == nullptr) {
    count(unknown_ports_.reads);
    std::fill(bytes.begin(), bytes.end(), std::byte{0xFF});
    return;
  }
  const pci::GateHold hold(entry->device->gate());
  if (bytes.size() > width) {
    count(entry->counts.string_reads);
    entry->device->port_read_string(port, width, bytes);
    return;
  }
  count(entry->counts.reads);
  const uint32_t value = entry->device->port_read(port, width);
  std::memcpy(bytes.data(), &value, bytes.size());
}

void IoBus::port_write(uint16_t port, unsigned width, std::span<const std::byte> bytes) noexcept {
  PortEntry* entry = find(port);
  if (entry == nullptr) {
    count(unknown_ports_.writes);
    return;
  }
  const pci::GateHold hold(entry->device->gate());
  if (bytes.size() > width) {
    count(entry->counts.string_writes);
    entry->device->port_write_string(port, width, bytes);
    return;
  }
  count(entry->counts.writes);
  uint32_t value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  entry->device->port_write(port, width, value);
}

void IoBus::mmio_read(uint64_t address, std::span<std::byte> bytes) noexcept {
  MmioEntry* entry = find_mmio(address, bytes.size());
  if (entry == nullptr) {
    count(unknown_mmio_.reads);
    std::fill(bytes.begin(), bytes.end(), std::byte{0xFF});
    return;
  }
  const pci::GateHold hold(entry->device->gate());
  count(entry->counts.reads);
  const uint64_t value =
      entry->device->mmio_read(address - entry->base, static_cast<unsigned>(bytes.size()));
  std::memcpy(bytes.data(), &value, bytes.size());
}

void IoBus::mmio_write(uint64_t address, std::span<const std::byte> bytes) noexcept {
  MmioEntry* entry = find_mmio(address, bytes.size());
  if (entry == nullptr) {
    count(unknown_mmio_.writes);
    return;
  }
  const pci::GateHold hold(entry->device->gate());
  count(entry->counts.writes);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  entry->device->mmio_write(address - entry->base, static_cast<unsigned>(bytes.size()), value);
}

void IoBus::append_stats(Stats& stats) const {
  auto append = [&](const std::string& group, const Counts& counts) {
    const std::pair<const char*, const std::atomic<uint64_t>*> columns[] = {
        {"reads", &counts.reads},
        {"writes", &counts.writes},
        {"string_reads", &counts.string_reads},
        {"string_writes", &counts.string_writes},
    };
    for (const auto& [name, counter] : columns) {
      const uint64_t value = counter->load(std::memory_order_relaxed);
      if (value != 0) stats.push_back({group, name, value});
    }
  };
  for (size_t i = 0; i < port_count_; ++i)
    append("device " + ports_[i].name, ports_[i].counts);
  for (size_t i = 0; i < mmio_count_; ++i)
    append("device " + mmio_[i].name, mmio_[i].counts);
  append("unknown ports", unknown_ports_);
  append("unknown mmio", unknown_mmio_);
}

}  // namespace viridian::vmm
