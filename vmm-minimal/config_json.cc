// The JSON form of the configuration: apply_json() of config.h.
#include <nlohmann/json.hpp>

#include "vmm-minimal/config.h"

namespace viridian::vmm {
namespace {

using nlohmann::json;

constexpr size_t kMaxDisks = 4 + kScsiControllers * kScsiUnits;

// The text of a scalar, as it would stand on the command line.
Result<std::string> scalar(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return std::string(value.get<bool>() ? "true" : "false");
  if (value.is_number_unsigned()) return fmt::format("{}", value.get<uint64_t>());
  return fail(ErrorKind::kInvalidArgument,
              "must be a text, a number that is not negative, or true or false");
}

// The fields of one object, by `set`. `first` is the field that says which one it is.
template <class Item, class Set>
Result<Item> item_from(const json& object, const char* first, const char* example, Set set) {
  if (!object.is_object()) return fail(ErrorKind::kInvalidArgument, "must be an object");
  Item item;
  if (!object.contains(first)) {
    return fail(ErrorKind::kInvalidArgument, "{} is missing (such as \"{}\")", first, example);
  }
  for (const auto& [field, value] : object.items()) {
    const auto text = scalar(value);
    if (!text) return with_context(field, text.error());
    if (auto done = set(item, field, *text); !done) return with_context(field, done.error());
  }
  return item;
}

Result<DiskConfig> disk_from(const json& object) {
  return item_from<DiskConfig>(object, "address", "ide0:0", set_disk_field);
}
Result<NetConfig> nic_from(const json& object) {
  return item_from<NetConfig>(object, "nic", "nic0", set_net_field);
}
Result<SwitchConfig> switch_from(const json& object) {
  return item_from<SwitchConfig>(object, "name", "lan", set_switch_field);
}

// Appends what `make` makes of each object.
template <class Item, class Make>
Result<void> append_list(std::vector<Item>& target, const json& list, size_t most, Make make) {
  if (!list.is_array()) return fail(ErrorKind::kInvalidArgument, "must be a list of objects");
  if (list.size() > most) {
    return fail(ErrorKind::kInvalidArgument, "has {} entries; at most {} fit", list.size(), most);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    auto item = make(list[i]);
    if (!item) return with_context(fmt::format("[{}]", i), item.error());
    target.push_back(std::move(*item));
  }
  return {};
}

Result<void> apply_field(Config& config, const std::string& field, const json& value) {
  if (field == "disks") return append_list(config.disks, value, kMaxDisks, disk_from);
  if (field == "nics") return append_list(config.nics, value, kMaxNics, nic_from);
  const auto text = scalar(value);
  if (!text) return Unexpected(text.error());
  return set_field(config, field, *text);
}

Result<void> apply_field(Setup& setup, const std::string& field, const json& value) {
  if (field == "switches") return append_list(setup.switches, value, kMaxSwitches, switch_from);
  if (field == "control") {
    if (!value.is_string())
      return fail(ErrorKind::kInvalidArgument, "must be the path of a socket");
    setup.control_socket = value.get<std::string>();
    return {};
  }
  if (field != "guests") return apply_field(setup.common, field, value);
  return append_list(setup.guest_texts, value, kMaxGuests,
                     [](const json& guest) -> Result<Setup::GuestText> {
                       if (guest.is_object()) return Setup::GuestText{"", guest.dump()};
                       return fail(ErrorKind::kInvalidArgument, "must be an object");
                     });
}

template <class Target>
Result<void> apply_document(Target& target, std::string_view name, std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return fail(ErrorKind::kCorrupt, "{}: is not valid JSON", name);
  }
  if (!document.is_object()) return fail(ErrorKind::kCorrupt, "{}: must be one object", name);
  for (const auto& [field, value] : document.items()) {
    if (auto set = apply_field(target, field, value); !set) {
      return with_context(fmt::format("{}: {}", name, field), set.error());
    }
  }
  return {};
}

}  // namespace

Result<void> apply_json(Config& config, std::string_view name, std::string_view text) {
  return apply_document(config, name, text);
}

Result<void> apply_json(Setup& setup, std::string_view name, std::string_view text) {
  VIRIDIAN_TRY(apply_document(setup, name, text));
  for (size_t i = 0; i < setup.guest_texts.size(); ++i)
    setup.guest_texts[i].where = fmt::format("{}: guests: [{}]", name, i);
  return {};
}

}  // namespace viridian::vmm
