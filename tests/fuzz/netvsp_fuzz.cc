// Any NVSP, RNDIS control and RNDIS packet bytes through real rings, mixed with frames for the
// guest and with completions: afterwards every frame is back in its pool and the adapter can be
// used. Input: actions, each a kind, a place, a length and so many bytes to put over a good
// message.
#include <algorithm>
#include <cstring>

#include "netvsp/netvsp.h"
#include "tests/fakes/fake_netvsc.h"
#include "vmbus/server.h"
#include "vswitch/dpdk.h"

namespace viridian::netvsp {

static void require(bool holds) { holds ? void() : __builtin_trap(); }

static void act(uint8_t kind, FakeNetvsc& driver, Adapter& adapter, std::span<std::byte> message) {
  const Message nvsp = *read_wire<Message>(message);
  if (kind % 8 == 0) driver.nvsp(nvsp);
  if (kind % 8 == 1) driver.control(kind >> 3, message);
  if (kind % 8 == 2) driver.give_back(kind >> 3);
  if (kind % 8 > 2) driver.send_direct(kind, message, kind * 16u);
  rte_mbuf* frame = nullptr;
  while (adapter.receive({&frame, 1}) == 1) {
    adapter.transmit({&frame, 1});
    adapter.flush();
    rte_pktmbuf_free(frame);
  }
  driver.receive(kind % 16 != 0);
}

static void run(std::span<const uint8_t> input) {
  static const auto kReactor = std::move(*io::Reactor::create());
  static const bool kStarted = vswitch::start_dpdk().has_value();
  static const auto kPool = std::move(*vswitch::make_frame_pool("netvsp_fuzz", 256));
  vmbus::FakeGuest guest(*kReactor);
  Adapter adapter(kPool.get(), {});
  vmbus::Server server(*kReactor, guest.memory(), guest);
  require(kStarted && server.offer(adapter).has_value());
  guest.attach(server);
  require(guest.connect() != 0);
  FakeNetvsc driver(guest, guest.open(guest.request_offers().at(0).relid, 4, 4));
  require(driver.connect() && driver.initialize());
  driver.set_filter(packet_filter::kPromiscuous);
  for (int i = 0; input.size() >= 3 && i < 50; ++i) {
    const Info infos[] = {{info_type::kChecksum, input[0]}, {info_type::kLargeSend, input[1]}};
    Bytes message = rndis_packet(Bytes(600), infos);
    const auto bytes = input.subspan(3, std::min<size_t>(input[2], input.size() - 3));
    const size_t at = std::min<size_t>(input[1], message.size() - bytes.size());
    std::memcpy(message.data() + at, bytes.data(), bytes.size());
    act(input[0], driver, adapter, message);
    input = input.subspan(3 + bytes.size());
  }
  io::Completion done([](io::Completion&) noexcept {});
  server.reset(done);
  guest.settle();
  require(rte_mempool_avail_count(kPool.get()) == 256);
}

}  // namespace viridian::netvsp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  viridian::netvsp::run({data, size});
  return 0;
}
