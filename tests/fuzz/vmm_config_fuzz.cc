// Any text as a configuration: the JSON file, a --disk and a --net argument.
#include <cstdlib>

#include "vmm-minimal/config.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(data, data + size);
  Config config;
  if (const auto applied = apply_json(config, "fuzz.json", text); !applied) {
    if (!applied.error().message.starts_with("fuzz.json: ")) std::abort();
  }
  if (config.cpus == 0 || config.cpus > kMaxVcpus) std::abort();
  static_cast<void>(validate(config));
  if (const auto disk = parse_disk(text)) {
    if (!parse_address(to_string(disk->address))) std::abort();
  }
  if (const auto nic = parse_net(text); nic && nic->index >= kMaxNics) std::abort();
  return 0;
}

}  // namespace viridian::vmm
