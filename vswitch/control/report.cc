#include "vswitch/control/report.h"

namespace viridian::vswitch {
namespace {

struct Column {
  const char* name;
  const char* help;
  Counter PortCounters::*counter;
};

constexpr Column kColumns[] = {
    {"rx_frames", "Frames from outside into the switch", &PortCounters::rx_frames},
    {"rx_bytes", "Bytes from outside into the switch", &PortCounters::rx_bytes},
    {"tx_frames", "Frames that the port took", &PortCounters::tx_frames},
    {"tx_bytes", "Bytes that the port took", &PortCounters::tx_bytes},
    {"copies", "Frames that the switch made more of", &PortCounters::copies},
    {"coalesced", "Frames that became part of the one before", &PortCounters::coalesced},
    {"flooded", "Frames that came in for everybody", &PortCounters::flooded},
    {"moves_refused", "Addresses that moved here too often", &PortCounters::moves_refused},
    {"macs_refused", "Addresses that were not learned, for a limit", &PortCounters::macs_refused},
};

// A label's value: backslash, quote and line end are escaped.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    result += c;
  }
  return result;
}

std::string labels_of(const SwitchHost::Switch& one, const SwitchHost::Port& port) {
  return fmt::format("switch=\"{}\",port=\"{}\"", escaped(one.settings.name),
                     escaped(port.config.settings.name));
}

template <class Visit>
void each_port(const SwitchHost& host, Visit&& visit) {
  for (const auto& one : host.switches()) {
    for (const auto& port : one->ports)
      visit(*one, *port);
  }
}

}  // namespace

Json counters_to_json(const SwitchGroup& group, PortId port) {
  PortCounters counters;
  group.add_counters(port, counters);
  Json json = Json::object();
  for (const Column& column : kColumns)
    json[column.name] = (counters.*column.counter).get();
  Json drops = Json::object();
  for (size_t i = 1; i < counters.drops.size(); ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (const uint64_t count = counters.drops[i].get(); count != 0)
      drops[std::string(name_of(reason))] = count;
  }
  json["drops"] = drops;
  return json;
}

void RateMeter::sample(const SwitchHost& host, uint64_t now_ns) {
  std::map<const PortCounters*, Pair> next;
  each_port(host, [&](const auto& one, const auto& port) {
    PortCounters counters;
    one.group->add_counters(port.id, counters);
    const PortCounters* const key = one.group->home_of(port.id).counters(port.id);
    Pair pair;
    pair.last = {counters.rx_frames.get(), counters.rx_bytes.get(), counters.tx_frames.get(),
                 counters.tx_bytes.get(), counters.all_dropped()};
    pair.last_ns = now_ns;
    const auto before = ports_.find(key);
    if (before != ports_.end() && before->second.last.rx_frames <= pair.last.rx_frames) {
      const Reading& old = before->second.last;
      pair.difference = {pair.last.rx_frames - old.rx_frames, pair.last.rx_bytes - old.rx_bytes,
                         pair.last.tx_frames - old.tx_frames, pair.last.tx_bytes - old.tx_bytes,
                         pair.last.drops - old.drops};
      pair.difference_ns = now_ns - before->second.last_ns;
    }
    next.emplace(key, pair);
  });
  ports_ = std::move(next);
}

Json RateMeter::rates(const SwitchGroup& group, PortId port) const {
  const auto found = ports_.find(group.home_of(port).counters(port));
  if (found == ports_.end() || found->second.difference_ns == 0) return nullptr;
  const auto& [last, last_ns, difference, difference_ns] = found->second;
  const auto each_second = [time_ns = difference_ns](uint64_t count) {
    return static_cast<uint64_t>(static_cast<double>(count) * 1e9 / static_cast<double>(time_ns));
  };
  return {{"rx_frames_per_s", each_second(difference.rx_frames)},
          {"rx_bits_per_s", each_second(difference.rx_bytes * 8)},
          {"tx_frames_per_s", each_second(difference.tx_frames)},
          {"tx_bits_per_s", each_second(difference.tx_bytes * 8)},
          {"drops_per_s", each_second(difference.drops)}};
}

std::string to_open_metrics(const SwitchHost& host) {
  std::string text;
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help) {
    text += fmt::format("# TYPE viridian_{0} {1}\n# HELP viridian_{0} {2}.\n", name, type, help);
  };
  for (const Column& column : kColumns) {
    family(fmt::format("port_{}", column.name), "counter", column.help);
    each_port(host, [&](const auto& one, const auto& port) {
      PortCounters counters;
      one.group->add_counters(port.id, counters);
      text += fmt::format("viridian_port_{}_total{{{}}} {}\n", column.name, labels_of(one, port),
                          (counters.*column.counter).get());
    });
  }
  family("port_drops", "counter", "Frames that were dropped, by reason");
  each_port(host, [&](const auto& one, const auto& port) {
    PortCounters counters;
    one.group->add_counters(port.id, counters);
    for (size_t i = 1; i < counters.drops.size(); ++i) {
      text +=
          fmt::format("viridian_port_drops_total{{{},reason=\"{}\"}} {}\n", labels_of(one, port),
                      name_of(static_cast<DropReason>(i)), counters.drops[i].get());
    }
  });
  family("switch_ports", "gauge", "Ports of the switch");
  for (const auto& one : host.switches())
    text += fmt::format("viridian_switch_ports{{switch=\"{}\"}} {}\n", escaped(one->settings.name),
                        one->ports.size());
  return text + "# EOF\n";
}

}  // namespace viridian::vswitch
