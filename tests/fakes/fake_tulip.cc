#include "tests/fakes/fake_tulip.h"

#include <algorithm>
#include <cstring>

namespace viridian::tulip {
namespace {

// CSR9.
constexpr uint32_t kSelect = 0x4801, kDeselect = 0x4800, kSromClock = 2, kSromIn = 4, kSromOut = 8;
constexpr uint32_t kMdc = 0x10000, kMdo = 0x20000, kMiiRead = 0x40000, kMdi = 0x80000;

// Bit by bit, as the hash is described: polynomial 04C11DB7h, least significant bit first.
unsigned hash_of(const std::array<uint8_t, 6>& address) {
  uint32_t crc = ~0u;
  for (uint8_t byte : address) {
    for (unsigned bit = 0; bit < 8; ++bit, byte = static_cast<uint8_t>(byte >> 1))
      crc = (crc >> 1) ^ (((crc ^ byte) & 1) != 0 ? 0xEDB88320 : 0);
  }
  return crc & 511;
}

void put_address(SetupFrame& frame, unsigned word, std::span<const uint8_t, 6> address) {
  for (unsigned i = 0; i < 3; ++i) {
    const uint32_t half = address[2 * i] | uint32_t{address[2 * i + 1]} << 8;
    frame.words[word + i] = half | half << 16;
  }
}

}  // namespace

FakeTulip::FakeTulip(pci::PciFunction& nic, const GuestMemory& memory, uint32_t base, Lists lists,
                     unsigned bar)
    : nic_(nic),
      memory_(memory),
      lists_(lists),
      bar_(bar),
      transmit_list_(base + 0x1000),
      receive_list_(base + 0x2000),
      transmit_buffers_(base + 0x10000),
      receive_buffers_(base + 0x30000),
      setup_at_(base + 0x4000) {}

uint32_t FakeTulip::in(unsigned csr) {
  const pci::GateHold hold(nic_.gate());
  return nic_.bar_read(bar_, 8 * csr, 4);
}

void FakeTulip::out(unsigned csr, uint32_t value) {
  const pci::GateHold hold(nic_.gate());
  nic_.bar_write(bar_, 8 * csr, 4, value);
}

void FakeTulip::config_out(uint8_t offset, unsigned width, uint32_t value) {
  const pci::GateHold hold(nic_.gate());
  nic_.config_write(offset, width, value);
}

uint32_t FakeTulip::config_in(uint8_t offset, unsigned width) {
  const pci::GateHold hold(nic_.gate());
  return nic_.config().read(offset, width);
}

// What the data line said after each clock of the command and of sixteen more: the driver's probe
// for the width of addresses looks at the former.
uint32_t FakeTulip::srom_bits(unsigned location, unsigned address_bits) {
  const unsigned command = location | 6u << address_bits;
  uint32_t bits = 0;
  const auto sample = [&] { bits = bits << 1 | ((in(9) & kSromOut) != 0 ? 1 : 0); };
  out(9, kDeselect);
  out(9, kSelect);
  for (int i = static_cast<int>(4 + address_bits); i >= 0; --i) {
    const uint32_t data = (command >> i & 1) != 0 ? kSromIn : 0;
    out(9, kSelect | data);
    out(9, kSelect | data | kSromClock);
    sample();
  }
  out(9, kSelect);
  for (int i = 0; i < 16; ++i) {
    out(9, kSelect | kSromClock);
    sample();
    out(9, kSelect);
  }
  out(9, kDeselect);
  return bits;
}

uint16_t FakeTulip::read_srom(unsigned location) {
  return static_cast<uint16_t>(srom_bits(location, 6));
}

uint16_t FakeTulip::read_phy(unsigned phy, unsigned reg) {
  const auto clock = [&](uint32_t lines) {
    out(9, lines);
    out(9, lines | kMdc);
  };
  for (int i = 0; i < 33; ++i)
    clock(kMdo);
  const unsigned command = 0xF6u << 10 | phy << 5 | reg;
  for (int i = 15; i >= 0; --i)
    clock((command >> i & 1) != 0 ? kMdo : 0);
  uint32_t bits = 0;
  for (int i = 0; i < 19; ++i) {
    out(9, kMiiRead);
    bits = bits << 1 | ((in(9) & kMdi) != 0 ? 1 : 0);
    out(9, kMiiRead | kMdc);
  }
  return static_cast<uint16_t>(bits >> 1);
}

void FakeTulip::write_phy(unsigned phy, unsigned reg, uint16_t value) {
  const auto clock = [&](uint32_t lines) {
    out(9, lines);
    out(9, lines | kMdc);
  };
  for (int i = 0; i < 33; ++i)
    clock(kMdo);
  const uint32_t command = 0x5002u << 16 | phy << 23 | reg << 18 | value;
  for (int i = 31; i >= 0; --i)
    clock((command >> i & 1) != 0 ? kMdo : 0);
  for (int i = 0; i < 2; ++i)
    clock(kMiiRead);
}

std::atomic_ref<uint32_t> FakeTulip::word(uint32_t address) const {
  return std::atomic_ref(*reinterpret_cast<uint32_t*>(memory_.window(Gpa{address}, 4)->data()));
}

uint32_t FakeTulip::list_control(unsigned index, unsigned count) const {
  if (lists_ == Lists::kChain) return kChained;
  return index == count - 1 ? kEndOfRing : 0;
}

void FakeTulip::set_receive_buffer_bytes(uint32_t first, uint32_t second) {
  first_bytes_ = first;
  second_bytes_ = second;
}

void FakeTulip::make_lists() {
  next_transmit_ = next_receive_ = 0;
  const bool chain = lists_ == Lists::kChain;
  for (unsigned i = 0; i < kTransmitCount; ++i)
    memory_.write(Gpa{transmit_at(i)}, Descriptor{0, 0, 0, transmit_at((i + 1) % kTransmitCount)});
  for (unsigned i = 0; i < kReceiveCount; ++i) {
    const uint32_t buffer = receive_buffers_ + i * kBufferBytes;
    const uint32_t second = chain ? receive_at((i + 1) % kReceiveCount) : buffer + first_bytes_;
    const uint32_t control = list_control(i, kReceiveCount) | BufferSize1::with(0, first_bytes_) |
                             BufferSize2::with(0, chain ? 0 : second_bytes_);
    memory_.write(Gpa{receive_at(i)}, Descriptor{kOwn, control, buffer, second});
  }
}

void FakeTulip::open(std::span<const uint8_t, 6> mac, uint32_t mode, uint32_t enabled) {
  config_out(pci::reg::kCommand, 2, 7);
  make_lists();
  out(6, 0x00040000);
  out(0, 1);
  out(0, 0x01A08000);
  out(3, receive_list_);
  out(4, transmit_list_);
  std::array<uint8_t, 6> own;
  std::copy(mac.begin(), mac.end(), own.begin());
  std::array<std::array<uint8_t, 6>, 16> addresses;
  addresses.fill({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF});
  addresses[15] = own;
  give_setup(0, perfect(addresses));
  const uint32_t base_mode = 0x020C0000 | mode;
  out(6, base_mode | 0x2000);
  out(5, enabled);
  out(7, enabled);
  out(6, base_mode | 0x2002);
  out(2, 0);
}

void FakeTulip::put_transmit(uint32_t buffer, uint32_t control, bool owned) {
  const unsigned index = next_transmit_++ % kTransmitCount;
  const uint32_t at = transmit_at(index);
  memory_.write(Gpa{at + 4}, le32{control | list_control(index, kTransmitCount)});
  memory_.write(Gpa{at + 8}, le32{buffer});
  word(at).store(owned ? kOwn : 0, std::memory_order_release);
}

void FakeTulip::give_setup(uint32_t flags, const SetupFrame& frame, uint32_t bytes) {
  memory_.write(Gpa{setup_at_}, frame);
  put_transmit(setup_at_, 0x08000000 | flags | bytes, true);
}

// The first segment is given last, so that the chip never finds half a frame.
void FakeTulip::give(std::span<const std::byte> frame, unsigned segments, uint32_t flags) {
  const unsigned first = next_transmit_;
  const size_t part = (frame.size() + segments - 1) / segments;
  for (unsigned i = 0; i < segments; ++i) {
    const auto bytes = frame.subspan(std::min(i * part, frame.size()));
    const auto mine = bytes.first(std::min(part, bytes.size()));
    const uint32_t buffer = transmit_buffers_ + next_transmit_ % kTransmitCount * 2048;
    memory_.write(Gpa{buffer}, mine);
    uint32_t control = flags | static_cast<uint32_t>(mine.size());
    if (i == 0) control |= tdes1::kFirst;
    if (i == segments - 1) control |= tdes1::kLast;
    put_transmit(buffer, control, i != 0);
  }
  word(transmit_at(first % kTransmitCount)).store(kOwn, std::memory_order_release);
}

uint32_t FakeTulip::transmit_status(unsigned index) const {
  return word(transmit_at(index)).load(std::memory_order_acquire);
}

unsigned FakeTulip::transmits_pending() const {
  unsigned count = 0;
  for (unsigned i = 0; i < kTransmitCount; ++i)
    count += transmit_status(i) >> 31;
  return count;
}

std::optional<Bytes> FakeTulip::receive(bool refill) {
  Bytes frame;
  for (unsigned index = next_receive_;; index = (index + 1) % kReceiveCount) {
    const uint32_t status = word(receive_at(index)).load(std::memory_order_acquire);
    if ((status & kOwn) != 0) return std::nullopt;
    const auto descriptor = *memory_.read<Descriptor>(Gpa{receive_at(index)});
    const auto add = [&](uint32_t address, uint32_t size) {
      const auto bytes = memory_.window(Gpa{address}, size);
      frame.insert(frame.end(), bytes->begin(), bytes->end());
    };
    add(descriptor.buffer1, first_bytes_);
    if (lists_ == Lists::kRing) add(descriptor.buffer2, second_bytes_);
    if ((status & rdes0::kLast) == 0) continue;
    status_ = status;
    const unsigned end = (index + 1) % kReceiveCount;
    for (; refill && next_receive_ != end; next_receive_ = (next_receive_ + 1) % kReceiveCount)
      word(receive_at(next_receive_)).store(kOwn, std::memory_order_release);
    next_receive_ = end;
    frame.resize(std::min<size_t>(frame.size(), rdes0::FrameLength::get(status) - 4));
    return frame;
  }
}

void FakeTulip::refill_all() {
  for (unsigned i = 0; i < kReceiveCount; ++i)
    word(receive_at(i)).store(kOwn, std::memory_order_release);
}

SetupFrame FakeTulip::perfect(std::span<const std::array<uint8_t, 6>> addresses) {
  SetupFrame frame{};
  for (unsigned i = 0; i < 16; ++i)
    put_address(frame, 3 * i, addresses[std::min<size_t>(i, addresses.size() - 1)]);
  return frame;
}

SetupFrame FakeTulip::hash(std::span<const std::array<uint8_t, 6>> multicast,
                           std::span<const uint8_t, 6> own) {
  SetupFrame frame{};
  for (const auto& address : multicast) {
    const unsigned bit = hash_of(address);
    frame.words[bit / 16] = frame.words[bit / 16] | 0x10001u << bit % 16;
  }
  put_address(frame, 39, own);
  return frame;
}

}  // namespace viridian::tulip
