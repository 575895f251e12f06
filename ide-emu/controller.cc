#include "ide-emu/controller.h"

#include <cstring>

#include "ide-emu/ata_drive.h"
#include "ide-emu/atapi_drive.h"
#include "ide-emu/channel.h"

namespace viridian::ide {
namespace {

constexpr pci::Identity kIdentity = {.vendor_id = 0x8086,
                                     .device_id = 0x7111,
                                     .class_code = 0x01,
                                     .subclass = 0x01,
                                     .prog_interface = 0x80,  // bus master, legacy mode only
                                     .revision = 0x01};

constexpr unsigned kBusMasterBar = 4;
constexpr uint32_t kBusMasterBarSize = 2 * bus_master::kSize;

// 82371AB datasheet, 4.1: registers of function 1 beside the header.
constexpr uint8_t kIdeTiming = 0x40, kSlaveTiming = 0x44, kUltraDma = 0x48;
constexpr uint32_t kDecodeEnable = 0x8000;  // of one channel's 16 bits in IDETIM

constexpr std::array<pci::PortRange, 4> kPorts = {{{0x1F0, 8}, {0x3F6, 1}, {0x170, 8}, {0x376, 1}}};

unsigned channel_of(uint16_t port) { return (port & 0x80) != 0 ? 0 : 1; }
bool is_control(uint16_t port) { return (port & 0x200) != 0; }
unsigned register_of(uint16_t port) { return port & 7; }
bool is_data(uint16_t port) { return !is_control(port) && register_of(port) == port::kData; }

}  // namespace

Controller::Controller(io::Reactor& reactor, const GuestMemory& memory, pci::InterruptLine& primary,
                       pci::InterruptLine& secondary)
    : config_(kIdentity) {
  const Channel::Context context{reactor, memory, gate_, config_};
  channels_[0] = std::make_unique<Channel>(context, primary);
  channels_[1] = std::make_unique<Channel>(context, secondary);
  // No memory space, and the capabilities that the datasheet prints for PCISTS.
  config_.set_register(pci::reg::kCommand, 0x02800000,
                       pci::command::kIoSpace | pci::command::kBusMaster);
  config_.add_bar(kBusMasterBar, pci::BarKind::kIo, kBusMasterBarSize);
  // BMIBA has 16 bits: an x86 machine has no port above.
  config_.set_register(pci::reg::kBar0 + 4 * kBusMasterBar, 1, 0xFFFF & ~(kBusMasterBarSize - 1));
  // The chip starts with both channels off and firmware turns them on. A guest that is booted
  // without firmware needs them on, so here they start so.
  config_.set_register(kIdeTiming, kDecodeEnable << 16 | kDecodeEnable, ~0u);
  config_.set_register(kSlaveTiming, 0, 0xFF);
  config_.set_register(kUltraDma, 0, 0x3333000F);
}

Controller::~Controller() = default;

Result<void> Controller::check_slot(unsigned channel, unsigned drive,
                                    const DriveIdentity& identity) const {
  if (channel >= kChannelCount || drive >= kDriveCount) {
    return fail(ErrorKind::kInvalidArgument, "ide{}:{}: channel and drive are 0 or 1", channel,
                drive);
  }
  if (channels_[channel]->drive(drive) != nullptr) {
    return fail(ErrorKind::kInvalidArgument, "ide{}:{}: a drive is there already", channel, drive);
  }
  if (auto checked = check_identity(identity); !checked) {
    return with_context(fmt::format("ide{}:{}", channel, drive), checked.error());
  }
  return {};
}

Result<void> Controller::attach_disk(unsigned channel, unsigned drive, io::BlockDevice& disk,
                                     DriveIdentity identity) {
  VIRIDIAN_TRY(check_slot(channel, drive, identity));
  channels_[channel]->attach(drive,
                             std::make_unique<AtaDrive>(disk, std::move(identity), drive == 1));
  return {};
}

Result<void> Controller::attach_cdrom(unsigned channel, unsigned drive, io::BlockDevice* medium,
                                      DriveIdentity identity) {
  VIRIDIAN_TRY(check_slot(channel, drive, identity));
  channels_[channel]->attach(drive,
                             std::make_unique<AtapiDrive>(medium, std::move(identity), drive == 1));
  return {};
}

ChannelCounters Controller::counters(unsigned channel) const {
  pci::GateHold hold(gate_);
  return channels_[channel]->counters();
}

bool Controller::idle() const {
  pci::GateHold hold(gate_);
  return channels_[0]->idle() && channels_[1]->idle();
}

void Controller::config_write(uint8_t offset, unsigned width, uint32_t value) noexcept {
  config_.write(offset, width, value);
  for (const auto& channel : channels_)
    channel->bus_master_enabled();
}

// The bus master's registers are bytes; wider accesses are their bytes in order.
uint32_t Controller::bar_read(unsigned bar, uint32_t offset, unsigned width) noexcept {
  uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) {
    const uint32_t at = offset + i;
    const uint8_t byte =
        bar == kBusMasterBar && at < kBusMasterBarSize
            ? channels_[at / bus_master::kSize]->bus_master_read(at % bus_master::kSize)
            : uint8_t{0xFF};
    value |= uint32_t{byte} << (8 * i);
  }
  return value;
}

void Controller::bar_write(unsigned bar, uint32_t offset, unsigned width, uint32_t value) noexcept {
  if (bar != kBusMasterBar) return;
  for (unsigned i = 0; i < width; ++i) {
    const uint32_t at = offset + i;
    if (at >= kBusMasterBarSize) return;
    channels_[at / bus_master::kSize]->bus_master_write(at % bus_master::kSize,
                                                        static_cast<uint8_t>(value >> (8 * i)));
  }
}

void Controller::reset() noexcept {
  config_.reset();
  for (const auto& channel : channels_)
    channel->reset();
}

std::span<const pci::PortRange> Controller::port_ranges() const noexcept { return kPorts; }

// The channel whose ports are decoded at `port`, if IDETIM enables it.
Channel* Controller::decode(uint16_t port) noexcept {
  const unsigned channel = channel_of(port);
  const uint32_t timing = config_.read(kIdeTiming, 4) >> (16 * channel);
  return (timing & kDecodeEnable) != 0 ? channels_[channel].get() : nullptr;
}

// All registers but the data port are one byte: of a wider access the low byte counts.
uint32_t Controller::port_read(uint16_t port, unsigned width) noexcept {
  if (is_data(port)) {
    uint32_t value = 0;
    port_read_string(port, width, std::as_writable_bytes(std::span(&value, 1)).first(width));
    return value;
  }
  Channel* channel = decode(port);
  if (channel == nullptr) return ~0u;
  return is_control(port) ? channel->read_alternate_status()
                          : channel->read_register(register_of(port));
}

void Controller::port_write(uint16_t port, unsigned width, uint32_t value) noexcept {
  if (is_data(port)) {
    port_write_string(port, width, std::as_bytes(std::span(&value, 1)).first(width));
    return;
  }
  Channel* channel = decode(port);
  if (channel == nullptr) return;
  const auto byte = static_cast<uint8_t>(value);
  if (is_control(port)) {
    channel->write_control(byte);
  } else {
    channel->write_register(register_of(port), byte);
  }
}

void Controller::port_read_string(uint16_t port, unsigned width,
                                  std::span<std::byte> bytes) noexcept {
  if (!is_data(port)) return PortDevice::port_read_string(port, width, bytes);
  if (Channel* channel = decode(port)) {
    channel->read_data(bytes);
  } else {
    std::memset(bytes.data(), 0xFF, bytes.size());
  }
}

void Controller::port_write_string(uint16_t port, unsigned width,
                                   std::span<const std::byte> bytes) noexcept {
  if (!is_data(port)) return PortDevice::port_write_string(port, width, bytes);
  if (Channel* channel = decode(port)) channel->write_data(bytes);
}

}  // namespace viridian::ide
