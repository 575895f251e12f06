// Any vstor packets through real rings: each is answered once, and the controller can be used
// afterwards. Input: packets, each a place, a length and so many bytes to put over a good read.
#include <algorithm>
#include <set>

#include "io/ram_disk.h"
#include "storvsp/storvsp.h"
#include "tests/fakes/fake_storvsc.h"

namespace viridian::storvsp {

static void require(bool holds) { holds ? void() : __builtin_trap(); }

static void play(FakeStorvsc& driver, vmbus::FakeGuest& guest, std::span<const uint8_t> input) {
  const auto pfns = guest.alloc_pages(4, vmbus::FakeGuest::Layout::kScattered);
  std::set<uint64_t> awaited;
  const auto take_answers = [&] {
    while (const auto answer = driver.receive())
      require(awaited.erase(answer->transaction_id) == 1);
  };
  if (!input.empty() && input[0] % 8 != 0) require(driver.initialize().has_value());
  for (uint64_t id = 1; input.size() >= 3 && id < 200; ++id) {
    const auto bytes = input.subspan(2, std::min<size_t>(input[1], input.size() - 2));
    SrbPacket packet = FakeStorvsc::srb(input[0] >> 7, {0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0}, 4096);
    const auto raw = std::as_writable_bytes(std::span(&packet, 1)).subspan(input[0] & 0x3f);
    std::ranges::copy(std::as_bytes(bytes).first(std::min(bytes.size(), raw.size())), raw.begin());
    const size_t pages = (input[0] & 0x40) ? 4 : 0;
    if (driver.send(id, packet, std::span(pfns).first(pages), 0, 16384)) awaited.insert(id);
    if (input[1] % 4 == 0) guest.settle();
    if (input[1] % 8 == 0) take_answers();
    input = input.subspan(2 + bytes.size());
  }
  for (int i = 0; i < 10; ++i, guest.settle())
    take_answers();
  require(awaited.empty() && driver.initialize().has_value());
}

static void run(std::span<const uint8_t> input) {
  static const auto kReactor = std::move(*io::Reactor::create());
  static io::RamDisk disk(*kReactor, 256);
  vmbus::FakeGuest guest(*kReactor);
  Controller controller(*kReactor, scsi_identity(0, 1));
  vmbus::Server server(*kReactor, guest.memory(), guest);
  require(controller.add_disk(0, disk) && controller.add_dvd(1, disk) && server.offer(controller));
  guest.attach(server);
  require(guest.connect() != 0);
  FakeStorvsc driver(guest, guest.open(guest.request_offers().at(0).relid, 4, 3));
  play(driver, guest, input);
  io::Completion done([](io::Completion&) noexcept {});
  server.reset(done);
  guest.settle();
}

}  // namespace viridian::storvsp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  viridian::storvsp::run({data, size});
  return 0;
}
