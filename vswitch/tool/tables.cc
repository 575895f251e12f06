#include "vswitch/tool/tables.h"

#include <array>

namespace viridian::vswitch {
namespace {

// 1234567 as "1.23 M".
std::string short_number(uint64_t value) {
  constexpr std::array<const char*, 5> kUnits = {"", " k", " M", " G", " T"};
  auto scaled = static_cast<double>(value);
  size_t unit = 0;
  while (scaled >= 1000 && unit + 1 < kUnits.size()) {
    scaled /= 1000;
    ++unit;
  }
  if (unit == 0) return std::to_string(value);
  return fmt::format("{:.{}f}{}", scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0, kUnits[unit]);
}

uint64_t rate(const Json& line, const char* name) {
  const Json& rates = line["rates"];
  return rates.is_object() ? rates.value(name, uint64_t{0}) : 0;
}

std::string drops_of(const Json& counters) {
  std::string text;
  for (const auto& [reason, count] : counters["drops"].items())
    text += fmt::format(" {} {}", reason, count.dump());
  return text;
}

std::string vlan_of(const Json& port) {
  if (!port.contains("vlan")) return "-";
  const Json& vlan = port["vlan"];
  std::string text = vlan.value("mode", "");
  if (vlan.contains("vlan")) text += " " + vlan["vlan"].dump();
  if (vlan.contains("secondary")) text += "/" + vlan["secondary"].dump();
  if (vlan.contains("allowed")) text += " (" + vlan.value("allowed", "") + ")";
  return text;
}

}  // namespace

std::string switches_table(const Json& shown) {
  std::string text;
  for (const Json& one : shown["switches"]) {
    text += fmt::format("switch {} ({}), {} addresses\n", one.value("name", ""),
                        one.value("kind", ""), one["macs"].dump());
    text +=
        fmt::format("  {:<16} {:<10} {:<7} {:>6} {:<9} {:<20} {:>12} {:>12} {:>10}\n", "port",
                    "type", "role", "worker", "state", "vlan", "rx frames", "tx frames", "drops");
    for (const Json& port : one["ports"]) {
      uint64_t drops = 0;
      for (const auto& [reason, count] : port["counters"]["drops"].items())
        drops += count.get<uint64_t>();
      text += fmt::format(
          "  {:<16} {:<10} {:<7} {:>6} {:<9} {:<20} {:>12} {:>12} {:>10}\n", port.value("name", ""),
          port.value("type", ""), port.value("role", "guest"), port["worker"].dump(),
          port["connected"] == true ? "connected" : "apart", vlan_of(port),
          port["counters"]["rx_frames"].dump(), port["counters"]["tx_frames"].dump(), drops);
    }
  }
  return text;
}

std::string macs_table(const Json& macs) {
  std::string text = fmt::format("{:<17} {:>4}  {}\n", "address", "vlan", "port");
  for (const Json& one : macs["macs"]) {
    text += fmt::format("{:<17} {:>4}  {}{}\n", one.value("mac", ""), one["vlan"].dump(),
                        one.value("port", ""), one["static"] == true ? " (static)" : "");
  }
  return text + fmt::format("{} addresses\n", macs["count"].dump());
}

std::string watch_table(const Json& watched) {
  std::string text = fmt::format("{:<24} {:>9} {:>9} {:>9} {:>9} {:>9}  {}\n", "switch/port",
                                 "rx fr/s", "rx bit/s", "tx fr/s", "tx bit/s", "drops/s", "drops");
  for (const Json& line : watched["ports"]) {
    text += fmt::format(
        "{:<24} {:>9} {:>9} {:>9} {:>9} {:>9} {}\n",
        line.value("switch", "") + "/" + line.value("port", ""),
        short_number(rate(line, "rx_frames_per_s")), short_number(rate(line, "rx_bits_per_s")),
        short_number(rate(line, "tx_frames_per_s")), short_number(rate(line, "tx_bits_per_s")),
        short_number(rate(line, "drops_per_s")), drops_of(line["counters"]));
  }
  return text;
}

}  // namespace viridian::vswitch
