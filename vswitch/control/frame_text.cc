#include "vswitch/control/frame_text.h"

#include "vswitch/frame.h"

namespace viridian::vswitch {
namespace {

constexpr size_t kMaxExplainedBytes = 9216 + kEthernetHeaderBytes;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::vector<uint8_t> parse_hex(const std::string& text, bool& good) {
  std::vector<uint8_t> bytes;
  good = text.size() % 2 == 0 && text.size() / 2 <= kMaxExplainedBytes;
  for (size_t i = 0; good && i < text.size(); i += 2) {
    const int high = digit_of(text[i]);
    const int low = digit_of(text[i + 1]);
    good = high >= 0 && low >= 0;
    bytes.push_back(static_cast<uint8_t>((high & 15) << 4 | (low & 15)));
  }
  return bytes;
}

}  // namespace

std::vector<uint8_t> read_frame(Fields& fields) {
  std::string hex;
  MacAddress source;
  MacAddress destination;
  uint16_t ethertype = 0x88B5;  // for experiments: IEEE 802, table 4
  fields.text("frame", hex);
  fields.address("source", source);
  fields.address("destination", destination);
  fields.number("ethertype", ethertype);
  if (fields.has("frame")) {
    bool good = true;
    auto bytes = parse_hex(hex, good);
    if (!good)
      fields.fail_at("frame", fmt::format("must be pairs of hexadecimal digits, {} at most",
                                          kMaxExplainedBytes));
    return bytes;
  }
  if (!fields.has("source") || !fields.has("destination"))
    fields.fail_at("frame", "is missing; or say source and destination");
  std::vector<uint8_t> bytes(kMinFrameBytes);
  std::copy(destination.bytes.begin(), destination.bytes.end(), bytes.begin());
  std::copy(source.bytes.begin(), source.bytes.end(), bytes.begin() + 6);
  bytes[12] = static_cast<uint8_t>(ethertype >> 8);
  bytes[13] = static_cast<uint8_t>(ethertype);
  return bytes;
}

DropReason parse_reason(std::string_view name) {
  for (size_t i = 1; i < static_cast<size_t>(DropReason::kCount); ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (name_of(reason) == name) return reason;
  }
  return DropReason::kNone;
}

std::string all_reasons() {
  std::string all;
  for (size_t i = 1; i < static_cast<size_t>(DropReason::kCount); ++i)
    all += (i == 1 ? "" : ", ") + std::string(name_of(static_cast<DropReason>(i)));
  return all;
}

Json to_json(const Explanation& told, const std::function<std::string(PortId)>& name_of_port) {
  const auto dropped = [](DropReason reason) {
    return fmt::format("dropped: {} ({})", name_of(reason), meaning_of(reason));
  };
  if (told.reason != DropReason::kNone)
    return {{"dropped", name_of(told.reason)}, {"text", dropped(told.reason)}};
  Json json = {{"dropped", nullptr}, {"vlan", told.vlan}, {"flooded", told.flooded}};
  std::string text =
      fmt::format("{} in VLAN {}:", told.flooded ? "flooded" : "forwarded", told.vlan);
  json["receivers"] = Json::array();
  for (const auto& [port, reason] : told.receivers) {
    const std::string name = name_of_port(port);
    const bool gets_it = reason == DropReason::kNone;
    json["receivers"].push_back(
        {{"port", name}, {"dropped", gets_it ? Json() : Json(name_of(reason))}});
    text += " " + name + (gets_it ? "" : " (" + dropped(reason) + ")");
  }
  json["mirrors"] = Json::array();
  for (const PortId port : told.mirrors) {
    json["mirrors"].push_back(name_of_port(port));
    text += " mirror " + name_of_port(port);
  }
  json["text"] = text;
  return json;
}

}  // namespace viridian::vswitch
