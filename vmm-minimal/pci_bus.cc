#include "vmm-minimal/pci_bus.h"

#include <array>
#include <optional>
#include <vector>

#include "base/checked.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr uint16_t kAddressPort = 0xCF8, kDataPort = 0xCFC;
// CF9h is the reset register and somebody else's; writes to the other bytes of the address
// register do nothing, but Linux makes one to see that.
constexpr pci::PortRange kPorts[] = {{kAddressPort, 1}, {kAddressPort + 2, 2}, {kDataPort, 4}};
constexpr uint32_t kEnable = 0x80000000, kAddressBits = 0x80FFFFFC;
constexpr unsigned kBars = 6;
constexpr uint32_t kFirstIoBar = 0xC000;

uint32_t ones(unsigned width) { return width >= 4 ? ~0u : (1u << (8 * width)) - 1; }

}  // namespace

// One function on the bus; on the IoBus it is the device behind its I/O BARs.
class PciBus::Slot final : public pci::PortDevice {
 public:
  Slot(PciBus& bus, pci::PciFunction& function) : bus_(bus), function_(function) {}
  ~Slot() override;

  Result<void> attach(std::string_view name);
  pci::PciFunction& function() noexcept { return function_; }

  // With the function's gate held, after anything that may have changed a BAR.
  void place_bars() noexcept;
  void assign(uint32_t& next_io, uint32_t& next_memory, uint32_t gsi) noexcept;

  std::span<const pci::PortRange> port_ranges() const noexcept override { return {}; }
  pci::Gate& gate() noexcept override { return function_.gate(); }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;

 private:
  struct Bell {
    pci::Doorbell doorbell;
    bool is_io = false;
    std::optional<uint32_t> at;  // port or address where it is an ioeventfd now
  };
  struct Hit {
    unsigned bar;
    uint32_t offset;
  };

  std::optional<Hit> find_port(uint16_t port, unsigned width) noexcept;
  void place_bell(Bell& bell) noexcept;
  void remove_bell(Bell& bell) noexcept;

  PciBus& bus_;
  pci::PciFunction& function_;
  bool attached_ = false;
  unsigned io_index_ = 0;  // of set_ranges()
  std::array<pci::ConfigSpace::Bar, kBars> placed_{};
  std::vector<Bell> bells_;
};

Result<void> PciBus::Slot::attach(std::string_view name) {
  auto index = bus_.io_bus_.add(name, *this);
  if (!index) return Unexpected(std::move(index).error());
  io_index_ = *index;
  attached_ = true;
  if (bus_.vm_ == nullptr) return {};
  for (const pci::Doorbell& doorbell : function_.doorbells())
    bells_.push_back({.doorbell = doorbell, .at = std::nullopt});
  return {};
}

PciBus::Slot::~Slot() {
  for (Bell& bell : bells_)
    remove_bell(bell);
  if (attached_) bus_.io_bus_.set_ranges(io_index_, {});
}

std::optional<PciBus::Slot::Hit> PciBus::Slot::find_port(uint16_t port, unsigned width) noexcept {
  for (unsigned i = 0; i < kBars; ++i) {
    const auto bar = function_.config().bar(i);
    if (bar.kind != pci::BarKind::kIo || !bar.enabled || port < bar.base) continue;
    const uint32_t offset = port - bar.base;
    if (range_within(offset, uint32_t{width}, bar.size)) return Hit{i, offset};
  }
  return std::nullopt;
}

uint32_t PciBus::Slot::port_read(uint16_t port, unsigned width) noexcept {
  const auto hit = find_port(port, width);
  return hit ? function_.bar_read(hit->bar, hit->offset, width) : ones(width);
}

void PciBus::Slot::port_write(uint16_t port, unsigned width, uint32_t value) noexcept {
  if (const auto hit = find_port(port, width)) {
    function_.bar_write(hit->bar, hit->offset, width, value);
  }
}

void PciBus::Slot::place_bars() noexcept {
  std::array<pci::PortRange, kBars> ranges{};
  size_t count = 0;
  bool moved = false;
  for (unsigned i = 0; i < kBars; ++i) {
    auto bar = function_.config().bar(i);
    if (bar.kind == pci::BarKind::kNone) continue;
    // Base 0 is what an unprogrammed BAR says, and no place for one.
    const uint64_t space_end = bar.kind == pci::BarKind::kIo ? 0x10000 : uint64_t{1} << 32;
    bar.enabled &= bar.base != 0 && uint64_t{bar.base} + bar.size <= space_end;
    moved |= bar.enabled != placed_[i].enabled || (bar.enabled && bar.base != placed_[i].base);
    placed_[i] = bar;
    if (bar.enabled && bar.kind == pci::BarKind::kIo) {
      ranges[count++] = {static_cast<uint16_t>(bar.base), static_cast<uint16_t>(bar.size)};
    }
  }
  if (!moved) return;
  bus_.io_bus_.set_ranges(io_index_, std::span(ranges).first(count));
  for (Bell& bell : bells_)
    place_bell(bell);
}

void PciBus::Slot::remove_bell(Bell& bell) noexcept {
  if (!bell.at) return;
  const int fd = bell.doorbell.event_fd;
  if (bell.is_io) {
    bus_.vm_->remove_port_doorbell(static_cast<uint16_t>(*bell.at), 4, std::nullopt, fd);
  } else {
    bus_.vm_->remove_mmio_doorbell(*bell.at, 4, std::nullopt, fd);
  }
  bell.at.reset();
}

// A doorbell without an ioeventfd still works, since its write then reaches bar_write().
void PciBus::Slot::place_bell(Bell& bell) noexcept {
  remove_bell(bell);
  const auto& bar = placed_[bell.doorbell.bar];
  if (!bar.enabled) return;
  const int fd = bell.doorbell.event_fd;
  const uint32_t at = bar.base + bell.doorbell.offset;
  bell.is_io = bar.kind == pci::BarKind::kIo;
  const auto added =
      bell.is_io ? bus_.vm_->add_port_doorbell(static_cast<uint16_t>(at), 4, std::nullopt, fd)
                 : bus_.vm_->add_mmio_doorbell(at, 4, std::nullopt, fd);
  if (added) bell.at = at;
}

void PciBus::Slot::assign(uint32_t& next_io, uint32_t& next_memory, uint32_t gsi) noexcept {
  const pci::GateHold hold(function_.gate());
  pci::ConfigSpace& config = function_.config();
  uint32_t decoding = 0;
  for (unsigned i = 0; i < kBars; ++i) {
    const auto bar = config.bar(i);
    if (bar.kind == pci::BarKind::kNone) continue;
    const bool is_io = bar.kind == pci::BarKind::kIo;
    uint32_t& next = is_io ? next_io : next_memory;
    next = align_up(next, bar.size);
    function_.config_write(static_cast<uint8_t>(pci::reg::kBar0 + 4 * i), 4, next);
    next += bar.size;
    decoding |= is_io ? pci::command::kIoSpace : pci::command::kMemorySpace;
  }
  if (config.read(pci::reg::kInterruptPin, 1) != 0) {
    function_.config_write(pci::reg::kInterruptLine, 1, gsi);
  }
  if (decoding != 0) {
    function_.config_write(pci::reg::kCommand, 2, decoding | pci::command::kBusMaster);
  }
  place_bars();
}

Result<std::unique_ptr<PciBus>> PciBus::create(IoBus& io_bus, Vm* vm) {
  std::unique_ptr<PciBus> bus(new PciBus(io_bus, vm));
  auto index = io_bus.add("pci configuration", *bus);
  if (!index) return Unexpected(std::move(index).error());
  VIRIDIAN_TRY(io_bus.add_mmio("pci window", *bus, kPciWindowBase, kPciWindowEnd - kPciWindowBase));
  return bus;
}

PciBus::PciBus(IoBus& io_bus, Vm* vm) : io_bus_(io_bus), vm_(vm) {}

PciBus::~PciBus() = default;

Result<void> PciBus::add(unsigned device, unsigned function, std::string_view name,
                         pci::PciFunction& target) {
  if (device >= kDevices || function >= kFunctionsPerDevice) {
    return fail(ErrorKind::kInvalidArgument, "{}: {}.{} is no place on a PCI bus", name, device,
                function);
  }
  std::unique_ptr<Slot>& slot = slots_[device * kFunctionsPerDevice + function];
  if (slot) {
    return fail(ErrorKind::kInvalidArgument, "{}: PCI place {}.{} is taken", name, device,
                function);
  }
  slot = std::make_unique<Slot>(*this, target);
  return slot->attach(name);
}

void PciBus::assign_resources() noexcept {
  uint32_t next_io = kFirstIoBar;
  auto next_memory = static_cast<uint32_t>(kPciWindowBase);
  for (unsigned i = 0; i < slots_.size(); ++i) {
    if (!slots_[i]) continue;
    const auto pin = slots_[i]->function().config().read(pci::reg::kInterruptPin, 1);
    const uint32_t gsi = pin != 0 ? gsi_of(i / kFunctionsPerDevice, pin) : 0;
    slots_[i]->assign(next_io, next_memory, gsi);
  }
}

void PciBus::reset() noexcept {
  {
    const pci::GateHold hold(gate_);
    address_ = 0;
  }
  for (const auto& slot : slots_) {
    if (!slot) continue;
    const pci::GateHold hold(slot->gate());
    slot->function().reset();
    slot->place_bars();
  }
}

std::span<const pci::PortRange> PciBus::port_ranges() const noexcept { return kPorts; }

PciBus::Slot* PciBus::selected() noexcept {
  if ((address_ & kEnable) == 0 || (address_ >> 16 & 0xFF) != 0) return nullptr;
  return slots_[address_ >> 8 & 0xFF].get();  // five bits of device, three of function
}

uint32_t PciBus::port_read(uint16_t port, unsigned width) noexcept {
  if (port < kDataPort) return port == kAddressPort && width == 4 ? address_ : ones(width);
  Slot* slot = selected();
  if (slot == nullptr) return ones(width);
  const unsigned lane = port - kDataPort;
  const pci::GateHold hold(slot->gate());
  return slot->function().config().read(static_cast<uint8_t>((address_ & 0xFC) + lane), width);
}

void PciBus::port_write(uint16_t port, unsigned width, uint32_t value) noexcept {
  if (port < kDataPort) {
    if (port == kAddressPort && width == 4) address_ = value & kAddressBits;
    return;
  }
  Slot* slot = selected();
  const unsigned lane = port - kDataPort;
  if (slot == nullptr || lane + width > 4) return;
  const pci::GateHold hold(slot->gate());
  slot->function().config_write(static_cast<uint8_t>((address_ & 0xFC) + lane), width, value);
  slot->place_bars();
}

template <class Use>
bool PciBus::with_memory_bar(uint64_t address, unsigned width, Use&& use) noexcept {
  for (const auto& slot : slots_) {
    if (!slot) continue;
    const pci::GateHold hold(slot->gate());
    for (unsigned i = 0; i < kBars; ++i) {
      const auto bar = slot->function().config().bar(i);
      if (bar.kind != pci::BarKind::kMemory32 || !bar.enabled || address < bar.base) continue;
      const uint64_t offset = address - bar.base;
      if (!range_within(offset, uint64_t{width}, uint64_t{bar.size})) continue;
      use(slot->function(), i, static_cast<uint32_t>(offset));
      return true;
    }
  }
  return false;
}

// Accesses of eight bytes are two of four, as on a 32-bit bus.
uint64_t PciBus::mmio_read(uint64_t offset, unsigned width) noexcept {
  if (width == 8) return mmio_read(offset, 4) | mmio_read(offset + 4, 4) << 32;
  uint64_t value = ones(width);
  with_memory_bar(kPciWindowBase + offset, width,
                  [&](pci::PciFunction& function, unsigned bar, uint32_t at) {
                    value = function.bar_read(bar, at, width);
                  });
  return value;
}

void PciBus::mmio_write(uint64_t offset, unsigned width, uint64_t value) noexcept {
  if (width == 8) {
    mmio_write(offset, 4, value & ~0u);
    mmio_write(offset + 4, 4, value >> 32);
    return;
  }
  with_memory_bar(kPciWindowBase + offset, width,
                  [&](pci::PciFunction& function, unsigned bar, uint32_t at) {
                    function.bar_write(bar, at, width, static_cast<uint32_t>(value));
                  });
}

}  // namespace viridian::vmm
