// Any lines as requests to the control of two switches with guests' ports. Whatever is asked, there
// is one answer, the switches go on, and what `config` says is a configuration that `apply` takes.
#include <string_view>

#include "tests/fakes/fake_port.h"
#include "vswitch/control/commands.h"
#include "vswitch/dpdk.h"

namespace viridian::vswitch {
namespace {

struct Hosted {
  Hosted() : worker(std::move(*io::ReactorThread::start("fuzz"))), host(*worker, nullptr) {
    HostConfig small;  // tables: they are swept for each change of a port
    for (const char* name : {"lan", "dmz"})
      small.switches.push_back({{.name = name, .mac_capacity = 64}, {}});
    if (!host.apply(small)) __builtin_trap();
    if (!host.add_guest("lan", a, {.name = "a"}) || !host.add_guest("lan", b, {.name = "b"}) ||
        !host.add_guest("dmz", c, {.name = "c"}))
      __builtin_trap();
  }
  ~Hosted() {
    host.remove_guest("lan", "a");
    host.remove_guest("lan", "b");
    host.remove_guest("dmz", "c");
  }

  bool started = start_dpdk().has_value();
  std::unique_ptr<io::ReactorThread> worker;
  fakes::FakePort a{nullptr}, b{nullptr}, c{nullptr};
  SwitchHost host;
  Commands commands{host};
};

}  // namespace
}  // namespace viridian::vswitch

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static viridian::vswitch::Hosted hosted;
  // What opens files and interfaces of the machine is not for this test.
  const std::string text(data, data + size);
  for (const char* device : {"tap", "af_packet", "ethdev", "vhost"}) {
    if (text.find(device) != text.npos || text.find("\\u") != text.npos) return 0;
  }
  std::string_view rest = text;
  for (int lines = 0; lines < 4 && !rest.empty(); ++lines) {  // more would only take longer
    const size_t end = rest.find('\n');
    const auto answer = hosted.commands.answer(rest.substr(0, end));
    if (answer.json["ok"] == answer.json.contains("error")) __builtin_trap();
    answer.json.dump();
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  const auto config = viridian::vswitch::to_json(hosted.host.config());
  if (!hosted.host.apply(*viridian::vswitch::parse_config(config))->empty()) __builtin_trap();
  return 0;
}
