// Any sequence of channel messages: the server must answer or ignore each, stay within its limits,
// and be able to reset. Input: for each message a length byte and that many bytes; a length above
// 240 lets the device finish what it holds instead.
#include <algorithm>

#include "tests/fakes/fake_guest.h"
#include "tests/fuzz/vmbus_device.h"

namespace viridian::vmbus {
namespace {

void run(std::span<const std::byte> input) {
  static const auto kReactor = std::move(*io::Reactor::create());
  static FakeGuest guest(*kReactor);
  FuzzDevice device;
  Server server(*kReactor, guest.memory(), guest);
  guest.attach(server);
  if (!server.offer(device)) __builtin_trap();
  guest.drop_messages();
  guest.contact(kVersion5_3);
  guest.request_offers();
  while (!input.empty()) {
    const auto length = static_cast<size_t>(input[0]);
    input = input.subspan(1);
    if (length > kMaxMessagePayload) {
      device.finish_closes();
      guest.settle();
      guest.drop_messages();
      continue;
    }
    const auto message = input.first(std::min(length, input.size()));
    guest.post_bytes(message);
    input = input.subspan(message.size());
    kReactor->turn(false);
  }
  io::Completion done([](io::Completion& self) noexcept { self.result = 1; });
  server.reset(done);
  device.finish_closes();
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
