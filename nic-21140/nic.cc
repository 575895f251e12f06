#include "nic-21140/nic.h"

#include <cstring>

namespace viridian::tulip {
namespace {

constexpr pci::Identity identity(bool multi_function) {
  return {.vendor_id = 0x1011,
          .device_id = 0x0009,
          .class_code = 2,
          .subclass = 0,
          .prog_interface = 0,
          .revision = 0x20,
          .subsystem_vendor_id = 0x0A00,
          .subsystem_id = 0x2114,
          .interrupt_pin = 1,
          .multi_function = multi_function};
}

// Of the configuration registers (chapter 2 of the manual) that are not any PCI function's.
constexpr uint32_t kStatusReset = 0x02800000;  // fast back-to-back, medium timing
constexpr uint32_t kCommandWritable = 0x0147;  // spaces, master, parity and system error
constexpr uint8_t kLatency = 0x0C, kSleep = 0x40;
constexpr uint32_t kLatencyWritable = 0xFFFF, kSleepWritable = 0xC000FF00;
constexpr uint32_t kInterruptReset = 0x28140100;  // longest latency, shortest grant, INTA

constexpr unsigned kIoBar = 0, kMemoryBar = 1;
constexpr uint32_t kMemoryBarBytes = 4096;  // a page of its own

constexpr uint16_t kVlanEtherType = 0x8100;
constexpr uint32_t kAddressesBytes = 2 * kAddressBytes;

}  // namespace

Nic::Nic(const GuestMemory& memory, pci::InterruptLine& line, rte_mempool& pool,
         const NicSettings& settings)
    : config_(identity(settings.multi_function)),
      core_(memory, line),
      transmitter_(core_, pool),
      receiver_(core_),
      srom_(make_srom(settings.mac)),
      vlan_tags_(settings.vlan_tags) {
  config_.add_bar(kIoBar, pci::BarKind::kIo, kCsrBytes);
  config_.add_bar(kMemoryBar, pci::BarKind::kMemory32, kMemoryBarBytes);
  config_.set_register(pci::reg::kCommand, kStatusReset, kCommandWritable);
  config_.set_register(kLatency, settings.multi_function ? 0x800000 : 0, kLatencyWritable);
  config_.set_register(pci::reg::kInterruptLine, kInterruptReset, 0xFF);
  config_.set_register(kSleep, 0, kSleepWritable);
}

Nic::~Nic() = default;

Result<std::unique_ptr<Nic>> Nic::create(io::Reactor& reactor, const GuestMemory& memory,
                                         pci::InterruptLine& line, rte_mempool& pool,
                                         const NicSettings& settings) {
  std::unique_ptr<Nic> nic(new Nic(memory, line, pool, settings));  // set-up
  VIRIDIAN_TRY(nic->connect(reactor));
  const pci::GateHold hold(nic->gate_);
  nic->reset();
  return nic;
}

Result<void> Nic::connect(io::Reactor& reactor) {
  auto transmit_bell = io::EventSource::create(
      reactor, [](void* self) noexcept { static_cast<Nic*>(self)->transmit_demanded(); }, this);
  if (!transmit_bell) return Unexpected(std::move(transmit_bell).error());
  transmit_bell_ = std::move(*transmit_bell);
  auto receive_bell = io::EventSource::create(
      reactor, [](void* self) noexcept { static_cast<Nic*>(self)->receive_demanded(); }, this);
  if (!receive_bell) return Unexpected(std::move(receive_bell).error());
  receive_bell_ = std::move(*receive_bell);
  auto timer = io::TimerSource::create(
      reactor, [](void* self) noexcept { static_cast<Nic*>(self)->timer_expired(); }, this);
  if (!timer) return Unexpected(std::move(timer).error());
  timer_ = std::move(*timer);
  auto auto_poll = io::TimerSource::create(
      reactor, [](void* self) noexcept { static_cast<Nic*>(self)->transmit_demanded(); }, this);
  if (!auto_poll) return Unexpected(std::move(auto_poll).error());
  auto_poll_ = std::move(*auto_poll);

  const uint32_t demand_transmit = csr_offset(1), demand_receive = csr_offset(2);
  doorbells_ = {pci::Doorbell{kIoBar, demand_transmit, transmit_bell_->fd()},
                pci::Doorbell{kIoBar, demand_receive, receive_bell_->fd()},
                pci::Doorbell{kMemoryBar, demand_transmit, transmit_bell_->fd()},
                pci::Doorbell{kMemoryBar, demand_receive, receive_bell_->fd()}};
  return {};
}

void Nic::start() noexcept {
  transmit_bell_->start();
  receive_bell_->start();
  timer_->start();
  auto_poll_->start();
}

void Nic::stop() noexcept {
  const pci::GateHold hold(gate_);
  software_reset();
  work_ = false;
  transmit_bell_->stop();
  receive_bell_->stop();
  timer_->stop();
  auto_poll_->stop();
}

bool Nic::stopped() const noexcept {
  return transmit_bell_->stopped() && receive_bell_->stopped() && timer_->stopped() &&
         auto_poll_->stopped();
}

void Nic::set_link(bool up) noexcept {
  const pci::GateHold hold(gate_);
  if (up == core_.link) return;
  core_.link = up;
  mii_.set_link(up);
}

bool Nic::failed() const noexcept {
  const pci::GateHold hold(gate_);
  return core_.failed;
}

void Nic::config_write(uint8_t offset, unsigned width, uint32_t value) noexcept {
  config_.write(offset, width, value);
  const bool had_bus = core_.bus_master;
  core_.bus_master = config_.bus_master();
  if (core_.bus_master && !had_bus) transmit_bell_->notify();
}

void Nic::transmit_demanded() noexcept {
  const pci::GateHold hold(gate_);
  core_.statistics.transmit_demands.add();
  transmitter_.demand();
  work_ = transmitter_.runnable();
}

void Nic::receive_demanded() noexcept {
  const pci::GateHold hold(gate_);
  core_.statistics.receive_demands.add();
  receiver_.demand();
  core_.interrupts.update();
}

void Nic::timer_expired() noexcept {
  const pci::GateHold hold(gate_);
  if (!timer_on_) return;  // an expiry from before it was switched off
  timer_on_ = (csr_[11] & csr11::kContinuous) != 0;
  core_.interrupts.raise(cause::kTimer);
  core_.interrupts.update();
}

uint16_t Nic::receive(std::span<rte_mbuf*> frames) noexcept {
  if (!work_) return 0;
  const pci::GateHold hold(gate_);
  const uint16_t sent = transmitter_.poll(frames);
  uint16_t count = 0;
  for (uint16_t i = 0; i < sent; ++i) {
    rte_mbuf* frame = frames[i];
    if (finish(*frame)) {
      frames[count++] = frame;
    } else {
      rte_pktmbuf_free(frame);
    }
  }
  work_ = transmitter_.runnable();
  core_.interrupts.update();
  return count;
}

// True: the frame goes to the switch.
bool Nic::finish(rte_mbuf& frame) noexcept {
  if (csr6::OperatingMode::get(core_.mode) != 0) {
    core_.statistics.looped_back.add();
    receiver_.deliver(frame);
    return false;
  }
  if (!core_.link) return false;
  core_.statistics.transmitted.add();
  core_.statistics.transmitted_bytes.add(frame.pkt_len);
  if (vlan_tags_ == VlanTags::kData || frame.data_len < kAddressesBytes + kVlanTagBytes + 2) {
    return true;
  }
  auto* bytes = rte_pktmbuf_mtod(&frame, std::byte*);
  std::array<be16, 2> tag;
  std::memcpy(tag.data(), bytes + kAddressesBytes, kVlanTagBytes);
  if (tag[0].get() != kVlanEtherType) return true;
  std::memmove(bytes + kVlanTagBytes, bytes, kAddressesBytes);
  rte_pktmbuf_adj(&frame, kVlanTagBytes);
  frame.vlan_tci = tag[1];
  frame.ol_flags |= vswitch::kFrameVlan;
  return true;
}

uint16_t Nic::transmit(std::span<rte_mbuf* const> frames) noexcept {
  const pci::GateHold hold(gate_);
  uint16_t taken = 0;
  while (taken < frames.size() && receiver_.deliver(*frames[taken]))
    ++taken;
  for (size_t i = size_t{taken} + 1; i < frames.size(); ++i)
    receiver_.overlook(*frames[i]);
  core_.interrupts.update();
  return taken;
}

}  // namespace viridian::tulip
