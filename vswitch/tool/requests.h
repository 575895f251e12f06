// The commands that talk to a running switch. Each prints its answer; an error is one line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vswitch/tool/client.h"

namespace viridian::vswitch {

// "mac_guard=true", "vlan.mode=access": an object of what is set. A value is JSON if it can be.
Result<Json> parse_assignments(const std::vector<std::string>& words);

// A file's JSON; "-" is the standard input.
Result<Json> read_json_file(const std::string& path);

struct CaptureOptions {
  std::string file = "-";
  uint64_t bytes = 0;  // ends after that many; 0: does not
  double seconds = 0;  // likewise
};

Result<void> print_changes(Client& client, const Json& request);
Result<void> print_json(Client& client, const Json& request);
Result<void> print_text(Client& client, const Json& request);  // an answer that is a text
Result<void> print_switches(Client& client, const Json& request);
Result<void> print_macs(Client& client, const Json& request);
Result<void> print_explanation(Client& client, const Json& request);
Result<void> watch(Client& client, uint32_t interval_ms, uint32_t count, bool as_json);
Result<void> capture(Client& client, const Json& request, const CaptureOptions& options);

}  // namespace viridian::vswitch
