#include "vswitch/control/commands.h"

#include <algorithm>

#include "vswitch/control/frame_text.h"

namespace viridian::vswitch {
namespace {

constexpr uint32_t kLeastWatchMs = 50;
constexpr uint32_t kMostWatchMs = 3'600'000;
constexpr uint32_t kUsualMacs = 1000;  // in one answer

Json* find_named(Json& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Json& one) { return one["name"] == name; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

Answer Commands::answer(std::string_view line) {
  Answer answer;
  std::string error;
  Json request;
  Json id;
  Json result;
  if (parse_json(line, request, error)) {
    if (request.is_object() && request.contains("id")) id = request["id"];
    if (id.is_structured()) {
      id = nullptr;
      error = "id: must be a number or a text";
    } else {
      result = run(request, answer, error);
    }
  }
  if (!id.is_null()) answer.json["id"] = id;
  answer.json["ok"] = error.empty();
  if (error.empty()) {
    answer.json["result"] = std::move(result);
  } else {
    answer.json["error"] = error;
    answer.watch_ms.reset();
    answer.capture.reset();
  }
  return answer;
}

Json Commands::run(const Json& request, Answer& answer, std::string& error) {
  Fields fields(request, "", error);
  std::string command;
  fields.text("command", command);
  if (!fields.ok()) return nullptr;
  if (command == "show") return show(request, error);
  if (command == "macs") return macs(request, error);
  if (command == "explain") return explain(request, error);
  if (command == "apply") return apply(request, error);
  for (const char* one :
       {"add_switch", "set_switch", "remove_switch", "add_port", "set_port", "remove_port"}) {
    if (command == one) return edit(command, request, error);
  }
  fields.any("id");
  if (command == "config") {
    fields.finish();
    return to_json(host_.config());
  }
  if (command == "metrics") {
    fields.finish();
    return metrics();
  }
  if (command == "watch") {
    uint32_t interval_ms = 1000;
    fields.number("interval_ms", interval_ms, kMostWatchMs);
    if (interval_ms < kLeastWatchMs)
      fields.fail_at("interval_ms", fmt::format("must be at least {}", kLeastWatchMs));
    fields.finish();
    answer.watch_ms = interval_ms;
    return nullptr;
  }
  if (command == "capture") {
    answer.capture = capture(request, error);
    return nullptr;
  }
  fields.fail_at("command", command.empty() ? "is missing"
                                            : "\"" + command +
                                                  "\" is not known; docs/vswitch-control.md "
                                                  "tells all");
  return nullptr;
}

SwitchHost::Switch* Commands::switch_of(Fields& fields, const std::string& name) const {
  SwitchHost::Switch* found = host_.find(name);
  if (found == nullptr)
    fields.fail_at("switch", name.empty() ? "is missing" : "there is no switch \"" + name + "\"");
  return found;
}

Json Commands::show(const Json& request, std::string& error) const {
  Fields fields(request, "", error);
  std::string only;
  fields.any("command");
  fields.any("id");
  fields.text("switch", only);
  fields.finish();
  if (!only.empty()) switch_of(fields, only);
  if (!fields.ok()) return nullptr;
  Json result = {{"switches", Json::array()}};
  for (const auto& one : host_.switches()) {
    if (!only.empty() && one->settings.name != only) continue;
    Json shown = to_json(SwitchConfig{one->settings, {}});
    std::vector<bool> live(one->ports.size());
    std::vector<uint32_t> learned(one->ports.size());
    std::vector<bool> carrier(one->ports.size());
    std::vector<PortFeatures> features(one->ports.size());
    uint32_t macs = 0;
    for (unsigned worker = 0; worker < one->group->worker_count(); ++worker) {
      host_.on_worker(worker, [&] {
        const VirtualSwitch& view = one->group->view(worker);
        macs = view.macs().size();
        for (size_t i = 0; i < one->ports.size(); ++i) {
          const PortId id = one->ports[i]->id;
          if (one->group->worker_of(id) != worker) continue;
          live[i] = view.port(id)->live;
          carrier[i] = one->ports[i]->device->carrier();
          features[i] = one->ports[i]->device->features();
          learned[i] = view.macs().learned_at(id);
        }
      });
    }
    shown["macs"] = macs;
    for (size_t i = 0; i < one->ports.size(); ++i) {
      const SwitchHost::Port& port = *one->ports[i];
      Json line = to_json(port.config);
      line["number"] = port.id;
      line["worker"] = one->group->worker_of(port.id);
      line["connected"] = bool{live[i]};
      line["carrier"] = bool{carrier[i]};
      line["mtu"] = features[i].mtu;
      line["checksum_offload"] = features[i].checksum;
      line["segmentation_offload"] = features[i].segmentation;
      line["macs"] = learned[i];
      line["counters"] = counters_to_json(*one->group, port.id);
      line["rates"] = meter_.rates(*one->group, port.id);
      shown["ports"].push_back(std::move(line));
    }
    result["switches"].push_back(std::move(shown));
  }
  return result;
}

Json Commands::watch() const {
  Json result = {{"ports", Json::array()}};
  for (const auto& one : host_.switches()) {
    for (const auto& port : one->ports) {
      result["ports"].push_back({{"switch", one->settings.name},
                                 {"port", port->config.settings.name},
                                 {"counters", counters_to_json(*one->group, port->id)},
                                 {"rates", meter_.rates(*one->group, port->id)}});
    }
  }
  return result;
}

Json Commands::macs(const Json& request, std::string& error) {
  Fields fields(request, "", error);
  std::string name;
  uint32_t limit = kUsualMacs;
  fields.any("command");
  fields.any("id");
  fields.text("switch", name);
  fields.number("limit", limit, kMaxMacs);
  fields.finish();
  if (!fields.ok()) return nullptr;
  SwitchHost::Switch* one = switch_of(fields, name);
  if (one == nullptr) return nullptr;
  struct Found {
    uint64_t key;
    MacEntry entry;
  };
  std::vector<Found> found;
  found.reserve(std::min(limit, one->settings.mac_capacity));
  uint32_t count = 0;
  host_.on_worker(0, [&] {  // all workers know the same
    const MacTable& known = one->group->view(0).macs();
    count = known.size();
    known.for_each([&](uint64_t key, const MacEntry& entry) {
      if (found.size() < limit) found.push_back({key, entry});
    });
  });
  Json result = {{"count", count}, {"macs", Json::array()}};
  for (const auto& [key, entry] : found) {
    const SwitchHost::Port* port = one->find(entry.port);
    result["macs"].push_back({{"mac", MacAddress::from_bits(key >> 16).to_string()},
                              {"vlan", key & 0xFFFF},
                              {"port", port == nullptr ? "" : port->config.settings.name},
                              {"static", entry.fixed()}});
  }
  return result;
}

Json Commands::explain(const Json& request, std::string& error) {
  Fields fields(request, "", error);
  std::string switch_name;
  std::string port_name;
  fields.any("command");
  fields.any("id");
  fields.text("switch", switch_name);
  fields.text("port", port_name);
  const std::vector<uint8_t> frame = read_frame(fields);
  uint16_t tag = 0;
  fields.number("tag", tag);
  fields.finish();
  if (!fields.ok()) return nullptr;
  SwitchHost::Switch* one = switch_of(fields, switch_name);
  if (one == nullptr) return nullptr;
  const SwitchHost::Port* port = one->find(port_name);
  if (port == nullptr) {
    fields.fail_at("port", "there is no port \"" + port_name + "\"");
    return nullptr;
  }
  Explanation told;
  const unsigned worker = one->group->worker_of(port->id);
  host_.on_worker(worker, [&] {
    told = one->group->view(worker).explain(port->id, frame,
                                            fields.has("tag") ? std::optional(tag) : std::nullopt);
  });
  return to_json(told, [&](PortId id) {
    const SwitchHost::Port* named = one->find(id);
    return named == nullptr ? std::to_string(id) : named->config.settings.name;
  });
}

Json Commands::apply_json(const Json& config, bool only_tell, const std::string& path,
                          std::string& error) {
  const auto parsed = parse_config(config, path);
  if (!parsed) {
    error = parsed.error().message;
    return nullptr;
  }
  const auto changes = host_.apply(*parsed, only_tell);
  if (!changes) {
    error = changes.error().message;
    return nullptr;
  }
  return {{"changes", *changes}};
}

Json Commands::apply(const Json& request, std::string& error) {
  Fields fields(request, "", error);
  bool only_tell = false;
  fields.any("command");
  fields.any("id");
  fields.flag("only_tell", only_tell);
  const Json* config = fields.any("config");
  if (config == nullptr) fields.fail_at("config", "is missing");
  fields.finish();
  if (!fields.ok()) return nullptr;
  return apply_json(*config, only_tell, "config", error);
}

// Each of these is the configuration with one thing changed.
Json Commands::edit(std::string_view command, const Json& request, std::string& error) {
  Fields fields(request, "", error);
  Json config = to_json(host_.config());
  Json& switches = config["switches"];
  fields.any("command");
  fields.any("id");
  if (command == "add_switch") {
    const Json* added = fields.any("switch");
    if (added == nullptr || !added->is_object())
      fields.fail_at("switch", "must be an object { } with the new switch");
    fields.finish();
    if (!fields.ok()) return nullptr;
    switches.push_back(*added);
    return apply_json(config, false, "", error);
  }
  std::string name;
  fields.text("switch", name);
  if (!fields.ok() || switch_of(fields, name) == nullptr) return nullptr;
  Json& one = *find_named(switches, name);
  if (command == "remove_switch") {
    fields.finish();
    const auto at = std::find(switches.begin(), switches.end(), one);
    switches.erase(at);
  } else if (command == "set_switch") {
    const Json* set = fields.any("set");
    if (set == nullptr || !set->is_object() || set->contains("ports"))
      fields.fail_at("set", "must be an object { } with fields of the switch, but for ports");
    fields.finish();
    if (fields.ok()) one.merge_patch(*set);
  } else {
    edit_port(command, request, one, error);
  }
  return error.empty() ? apply_json(config, false, "", error) : Json();
}

Json Commands::edit_port(std::string_view command, const Json& request, Json& one,
                         std::string& error) {
  Fields fields(request, "", error);
  Json& ports = one["ports"];
  fields.any("command");
  fields.any("id");
  fields.any("switch");
  if (command == "add_port") {
    const Json* added = fields.any("port");
    if (added == nullptr || !added->is_object())
      fields.fail_at("port", "must be an object { } with the new port");
    fields.finish();
    if (fields.ok()) ports.push_back(*added);
    return nullptr;
  }
  std::string name;
  fields.text("port", name);
  Json* port = find_named(ports, name);
  if (port == nullptr) fields.fail_at("port", "there is no port \"" + name + "\"");
  const Json* set = command == "set_port" ? fields.any("set") : nullptr;
  if (command == "set_port" && (set == nullptr || !set->is_object()))
    fields.fail_at("set", "must be an object { } with fields of the port");
  fields.finish();
  if (!fields.ok()) return nullptr;
  if (set != nullptr) {
    port->merge_patch(*set);
  } else if ((*port)["type"] == "guest") {
    fields.fail_at("port", "\"" + name + "\" is a guest's; it goes with its guest");
  } else {
    ports.erase(std::find(ports.begin(), ports.end(), *port));
  }
  return nullptr;
}

CaptureRequest Commands::capture(const Json& request, std::string& error) {
  Fields fields(request, "", error);
  CaptureRequest wanted;
  std::string port_name;
  std::string reason;
  fields.any("command");
  fields.any("id");
  fields.text("switch", wanted.switch_name);
  fields.text("port", port_name);
  fields.flag("in", wanted.filter.in);
  fields.flag("out", wanted.filter.out);
  fields.flag("dropped", wanted.filter.dropped);
  fields.text("reason", reason);
  fields.number("snap_bytes", wanted.filter.snap_bytes, kMaxFrameBytes + sizeof(uint32_t));
  fields.finish();
  if (!fields.ok()) return wanted;
  if (wanted.filter.snap_bytes == 0) fields.fail_at("snap_bytes", "must be at least 1");
  const SwitchHost::Switch* one = switch_of(fields, wanted.switch_name);
  if (one == nullptr) return wanted;
  if (fields.has("port")) {
    const SwitchHost::Port* port = one->find(port_name);
    if (port == nullptr) fields.fail_at("port", "there is no port \"" + port_name + "\"");
    if (port != nullptr) wanted.filter.port = port->id;
  }
  if (!reason.empty()) {
    wanted.filter.dropped = true;
    wanted.filter.reason = parse_reason(reason);
    if (wanted.filter.reason == DropReason::kNone)
      fields.fail_at("reason", "\"" + reason + "\" is not known; known are " + all_reasons());
  }
  return wanted;
}

}  // namespace viridian::vswitch
