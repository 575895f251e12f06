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

Result<DiskConfig> disk_from(const json& object) {
  if (!object.is_object()) return fail(ErrorKind::kInvalidArgument, "must be an object");
  DiskConfig disk;
  if (!object.contains("address")) {
    return fail(ErrorKind::kInvalidArgument, "address is missing (such as \"ide0:0\")");
  }
  for (const auto& [field, value] : object.items()) {
    const auto text = scalar(value);
    if (!text) return with_context(field, text.error());
    if (auto set = set_disk_field(disk, field, *text); !set) {
      return with_context(field, set.error());
    }
  }
  return disk;
}

Result<NetConfig> nic_from(const json& object) {
  if (!object.is_object()) return fail(ErrorKind::kInvalidArgument, "must be an object");
  NetConfig nic;
  if (!object.contains("nic")) {
    return fail(ErrorKind::kInvalidArgument, "nic is missing (such as \"nic0\")");
  }
  for (const auto& [field, value] : object.items()) {
    const auto text = scalar(value);
    if (!text) return with_context(field, text.error());
    if (auto set = set_net_field(nic, field, *text); !set) {
      return with_context(field, set.error());
    }
  }
  return nic;
}

Result<void> apply_nics(Config& config, const json& list) {
  if (!list.is_array()) return fail(ErrorKind::kInvalidArgument, "must be a list of objects");
  if (list.size() > kMaxNics) {
    return fail(ErrorKind::kInvalidArgument, "has {} entries; at most {} NICs fit", list.size(),
                kMaxNics);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    auto nic = nic_from(list[i]);
    if (!nic) return with_context(fmt::format("[{}]", i), nic.error());
    config.nics.push_back(std::move(*nic));
  }
  return {};
}

Result<void> apply_disks(Config& config, const json& list) {
  if (!list.is_array()) return fail(ErrorKind::kInvalidArgument, "must be a list of objects");
  if (list.size() > kMaxDisks) {
    return fail(ErrorKind::kInvalidArgument, "has {} entries; at most {} disks fit", list.size(),
                kMaxDisks);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    auto disk = disk_from(list[i]);
    if (!disk) return with_context(fmt::format("[{}]", i), disk.error());
    config.disks.push_back(std::move(*disk));
  }
  return {};
}

}  // namespace

Result<void> apply_json(Config& config, std::string_view name, std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return fail(ErrorKind::kCorrupt, "{}: is not valid JSON", name);
  }
  if (!document.is_object()) return fail(ErrorKind::kCorrupt, "{}: must be one object", name);
  for (const auto& [field, value] : document.items()) {
    const auto context = fmt::format("{}: {}", name, field);
    if (field == "disks") {
      if (auto set = apply_disks(config, value); !set) return with_context(context, set.error());
      continue;
    }
    if (field == "nics") {
      if (auto set = apply_nics(config, value); !set) return with_context(context, set.error());
      continue;
    }
    const auto scalar_text = scalar(value);
    if (!scalar_text) return with_context(context, scalar_text.error());
    if (auto set = set_field(config, field, *scalar_text); !set) {
      return with_context(context, set.error());
    }
  }
  return {};
}

}  // namespace viridian::vmm
