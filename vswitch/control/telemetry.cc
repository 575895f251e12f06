#include "vswitch/control/telemetry.h"

#include <rte_telemetry.h>

#include <algorithm>
#include <cctype>
#include <mutex>

#include "vswitch/control/commands.h"

namespace viridian::vswitch {
namespace {

constexpr uint32_t kMostMacs = 128;  // they fit into an answer of DPDK's, which has 16 KiB

// A callback of rte_telemetry has no context and stays for the life of the process: so this one
// place says whose switches are shown.
struct Shown {
  std::mutex mutex;
  SwitchHost* host = nullptr;  // null: nobody's
  bool registered = false;
};
constinit Shown shown;

// DPDK takes only these in names, and reads beside a table of its own for texts that are not ASCII.
std::string as_name(std::string text) {
  for (char& c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return text;
}

std::string as_text(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

void fill(rte_tel_data* data, const Json& value);

// What has no form there is left out.
void put(rte_tel_data* fields, const std::string& field, const Json& value) {
  const std::string name = as_name(field);
  if (value.is_string()) {
    const std::string text = as_text(value.get<std::string>());
    rte_tel_data_add_dict_string(fields, name.c_str(), text.c_str());
  } else if (value.is_boolean()) {
    rte_tel_data_add_dict_int(fields, name.c_str(), value.get<bool>() ? 1 : 0);
  } else if (value.is_number_integer()) {
    rte_tel_data_add_dict_u64(fields, name.c_str(), value.get<uint64_t>());
  } else if (value.is_structured()) {
    rte_tel_data* inner = rte_tel_data_alloc();
    if (inner == nullptr) return;
    fill(inner, value);
    // DPDK frees it when it was sent.
    if (rte_tel_data_add_dict_container(fields, name.c_str(), inner, 0) != 0)
      rte_tel_data_free(inner);
  }
}

// An object, or a list of texts.
void fill(rte_tel_data* data, const Json& value) {
  if (value.is_object()) {
    rte_tel_data_start_dict(data);
    for (const auto& [name, field] : value.items())
      put(data, name, field);
    return;
  }
  rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
  for (const Json& one : value)
    rte_tel_data_add_array_string(data, as_text(one.get<std::string>()).c_str());
}

Json error(std::string text) { return {{"error", std::move(text)}}; }

// The answer of a command of the control socket; what went wrong is the only field then.
Json ask(SwitchHost& host, const Json& request) {
  Json answer = Commands(host).answer(request.dump()).json;
  return answer["ok"] == true ? std::move(answer["result"]) : error(answer["error"]);
}

Json tell_switches(SwitchHost& host, const std::string&) {
  Json names = Json::array();
  for (const auto& one : host.switches())
    names.push_back(one->settings.name);
  return names;
}

Json tell_switch(SwitchHost& host, const std::string& name) {
  Json told = ask(host, {{"command", "show"}, {"switch", name}});
  if (told.contains("error")) return told;
  if (name.empty()) return error("name a switch: /viridian/switch,NAME");
  Json one = told["switches"][0];
  one["ports"] = one["ports"].size();
  return one;
}

Json tell_ports(SwitchHost& host, const std::string& name) {
  if (!name.empty() && host.find(name) == nullptr)
    return error("there is no switch \"" + name + "\"");
  Json names = Json::array();
  for (const auto& one : host.switches()) {
    if (!name.empty() && one->settings.name != name) continue;
    for (const auto& port : one->ports)
      names.push_back(one->settings.name + "/" + port->config.settings.name);
  }
  return names;
}

Json tell_port(SwitchHost& host, const std::string& path) {
  // Either name may have a / in it.
  for (size_t at = path.find('/'); at != path.npos; at = path.find('/', at + 1)) {
    const std::string name = path.substr(0, at);
    const SwitchHost::Switch* one = host.find(name);
    const SwitchHost::Port* port = one == nullptr ? nullptr : one->find(path.substr(at + 1));
    if (port == nullptr) continue;
    Json told = ask(host, {{"command", "show"}, {"switch", name}});
    for (Json& line : told["switches"][0]["ports"]) {
      if (line["name"] != port->config.settings.name) continue;
      for (const char* list : {"acl", "static_macs"}) {
        if (line.contains(list)) line[list] = line[list].size();
      }
      return line;
    }
  }
  return error(path.empty() ? "name a port: /viridian/port,SWITCH/PORT"
                            : "there is no port \"" + path + "\"");
}

Json tell_macs(SwitchHost& host, const std::string& name) {
  Json told = ask(host, {{"command", "macs"}, {"switch", name}, {"limit", kMostMacs}});
  if (told.contains("error")) return told;
  for (Json& one : told["macs"]) {
    one = fmt::format("{} vlan {} {}", one["mac"].get<std::string>(), one["vlan"].get<unsigned>(),
                      one["port"].get<std::string>());
  }
  return told;
}

struct Command {
  const char* name;
  Json (*tell)(SwitchHost& host, const std::string& parameter);
  const char* help;
};

constexpr Command kCommands[] = {
    {"/viridian/switches", tell_switches, "Names of the switches. Takes no parameters"},
    {"/viridian/switch", tell_switch, "A switch. Parameters: SWITCH"},
    {"/viridian/ports", tell_ports, "Names of ports as SWITCH/PORT. Parameters: SWITCH, or none"},
    {"/viridian/port", tell_port, "A port, its counters and drops. Parameters: SWITCH/PORT"},
    {"/viridian/macs", tell_macs, "Addresses that a switch knows. Parameters: SWITCH"},
};

// On a thread of DPDK's.
int answer(const char* name, const char* parameter, rte_tel_data* data) {
  const auto* command =
      std::find_if(std::begin(kCommands), std::end(kCommands),
                   [&](const Command& one) { return one.name == std::string_view(name); });
  if (command == std::end(kCommands)) return -1;
  const std::string given = as_text(parameter == nullptr ? "" : parameter);
  const std::lock_guard hold(shown.mutex);
  if (shown.host == nullptr) {
    fill(data, error("there are no switches any more"));
    return 0;
  }
  shown.host->alone([&] { fill(data, command->tell(*shown.host, given)); });
  return 0;
}

}  // namespace

Telemetry::Telemetry(SwitchHost& host) {
  const std::lock_guard hold(shown.mutex);
  shown.host = &host;
  if (std::exchange(shown.registered, true)) return;
  for (const Command& command : kCommands)
    rte_telemetry_register_cmd(command.name, answer, command.help);
}

Telemetry::~Telemetry() {
  const std::lock_guard hold(shown.mutex);
  shown.host = nullptr;
}

}  // namespace viridian::vswitch
