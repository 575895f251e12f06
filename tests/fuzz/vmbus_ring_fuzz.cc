// Any bytes in the rings of an open channel, control words included: the channel may fault, but
// nothing else may happen. Input: for each step two bytes of offset into both rings' pages, one of
// length, then the bytes that the guest puts there before it rings.
#include <algorithm>

#include "tests/fakes/fake_guest.h"
#include "tests/fuzz/vmbus_device.h"

namespace viridian::vmbus {
namespace {

constexpr uint32_t kPages = 4;

void run(std::span<const std::byte> input) {
  static const auto kReactor = std::move(*io::Reactor::create());
  FakeGuest guest(*kReactor, FakeGuest::Threads::kSame, 64 * kPageBytes);
  FuzzDevice device;
  Server server(*kReactor, guest.memory(), guest);
  guest.attach(server);
  if (!server.offer(device)) __builtin_trap();
  guest.contact(kVersion5_3);
  guest.request_offers();
  const auto layout =
      input.size() % 2 == 0 ? FakeGuest::Layout::kContiguous : FakeGuest::Layout::kScattered;
  const auto channel = guest.open(1, kPages, kPages, 0, layout);
  if (channel == nullptr) __builtin_trap();
  while (input.size() > 3) {
    const uint32_t at = static_cast<uint32_t>(*read_wire<le16>(input)) % (2 * kPages * kPageBytes);
    const std::span<std::byte> page(guest.host_pointer(channel->ring_pfns()[at / kPageBytes]),
                                    kPageBytes);
    const auto into = page.subspan(at % kPageBytes);
    const auto from =
        input.subspan(3, std::min({static_cast<size_t>(input[2]), input.size() - 3, into.size()}));
    std::copy(from.begin(), from.end(), into.begin());
    input = input.subspan(3 + from.size());
    channel->ring_host();
    kReactor->turn(false);
    kReactor->turn(false);
  }
  io::Completion done([](io::Completion& self) noexcept { self.result = 1; });
  server.reset(done);
  kReactor->run_until([&] {
    device.finish_closes();
    return done.result == 1;
  });
}

}  // namespace
}  // namespace viridian::vmbus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  viridian::vmbus::run(std::as_bytes(std::span(data, size)));
  return 0;
}
