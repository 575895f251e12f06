// Random accesses to the 21140's registers, descriptors in guest memory, frames of the switch. The
// NIC must survive, never spin, and give every frame back. A step: what, where, and a value.
#include <cstdlib>

#include "nic-21140/nic.h"

namespace viridian {
struct NoLine final : pci::InterruptLine {
  void set(bool) noexcept override {}
};
struct Machine {
  std::unique_ptr<io::Reactor> reactor = std::move(*io::Reactor::create());
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 12);
  GuestMemory guest;
  bool mapped = guest.add_region(Gpa{0}, memory) && vswitch::start_dpdk();
  vswitch::FramePool pool = std::move(*vswitch::make_frame_pool("fuzz", 128));
};

void work(tulip::Nic& nic, Machine& machine, unsigned frames) {
  std::array<rte_mbuf*, 64> burst;
  machine.reactor->turn(false);
  rte_pktmbuf_free_bulk(burst.data(), nic.receive(std::span(burst).first(frames % 64 + 1)));
  rte_mbuf* frame = rte_pktmbuf_alloc(machine.pool.get());
  rte_pktmbuf_append(frame, static_cast<uint16_t>(frames * 17 % 2048));
  if ((frames & 1) != 0) frame->ol_flags |= vswitch::kFrameVlan;
  nic.transmit(std::span(&frame, 1));
  rte_pktmbuf_free(frame);
}

void step(tulip::Nic& nic, Machine& machine, const uint8_t* data) {
  uint32_t value;
  std::memcpy(&value, data + 4, 4);
  const unsigned where = data[1], width = 1u << data[2] % 3, at = (data[2] * 256u + where) & 0xFFC;
  if (data[0] % 8 >= 6) return work(nic, machine, where);
  const pci::GateHold hold(nic.gate());
  // clang-format off
  switch (data[0] % 8) {
    case 0: nic.bar_read(where & 1, where * 16 + data[2] % 8, width); break;
    case 1: nic.bar_write(where & 1, where % 16 * 8, 4, value); break;
    case 2: nic.bar_write(where & 1, where % 16 * 8, 4, value & 0xFFF); break;
    case 3: nic.config_write(static_cast<uint8_t>(where & ~3u), width, value); break;
    case 4: where == 0 ? nic.reset() : nic.bar_write(0, where & 1 ? 8 : 16, width, value); break;
    default: std::memcpy(&machine.memory[at], &value, 4); break;
  }
  // clang-format on
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Machine pc;
  NoLine line;
  auto nic = std::move(*tulip::Nic::create(*pc.reactor, pc.guest, line, *pc.pool, {}));
  for (nic->start(); size >= 8; data += 8, size -= 8)
    step(*nic, pc, data);
  nic->stop();
  pc.reactor->run_until([&] { return nic->stopped(); });
  nic.reset();
  if (rte_mempool_in_use_count(pc.pool.get()) != 0) std::abort();
  return 0;
}
}  // namespace viridian
