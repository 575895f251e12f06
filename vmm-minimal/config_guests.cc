// Several guests in one configuration: make_guests() of config.h.
#include <algorithm>

#include "vmm-minimal/config.h"

namespace viridian::vmm {
namespace {

void name_nics(Config& guest) {
  for (NetConfig& nic : guest.nics) {
    if (!nic.mac.is_zero()) continue;
    nic.mac = {{0x00, 0x15, 0x5D, 0x00, static_cast<uint8_t>(guest.number),
                static_cast<uint8_t>(nic.index + 1)}};
  }
}

Result<void> validate_pair(const Config& first, const Config& second) {
  if (first.name == second.name) {
    return fail(ErrorKind::kInvalidArgument, "name: '{}' is used twice", first.name);
  }
  const std::pair<const char*, std::string Config::*> files[] = {
      {"serial-log", &Config::serial_log}, {"stats-json", &Config::stats_json}};
  for (const auto& [field, file] : files) {
    if (!(first.*file).empty() && first.*file == second.*file) {
      return fail(ErrorKind::kInvalidArgument, "{}: '{}' is the file of guest {} too", field,
                  second.*file, first.name);
    }
  }
  for (const NetConfig& nic : second.nics) {
    const bool taken = std::any_of(first.nics.begin(), first.nics.end(),
                                   [&](const NetConfig& one) { return one.mac == nic.mac; });
    if (taken) {
      return fail(ErrorKind::kInvalidArgument, "nic{}: mac: {} is a NIC's of guest {} too",
                  nic.index, nic.mac.to_string(), first.name);
    }
  }
  return {};
}

Result<void> add_guest(Setup& setup, const Setup::GuestText& text) {
  Config guest = setup.common;
  guest.number = static_cast<unsigned>(setup.guests.size());
  guest.name = fmt::format("guest{}", guest.number);
  VIRIDIAN_TRY(apply_json(guest, text.where, text.json));
  name_nics(guest);
  auto valid = validate(guest);
  for (size_t i = 0; valid && i < setup.guests.size(); ++i)
    valid = validate_pair(setup.guests[i], guest);
  if (!valid) return with_context(text.where, std::move(valid).error());
  setup.guests.push_back(std::move(guest));
  return {};
}

Result<void> validate_switches(std::span<const SwitchConfig> switches) {
  for (size_t i = 0; i < switches.size(); ++i) {
    const SwitchConfig& one = switches[i];
    const bool is_private = one.kind == vswitch::SwitchKind::kPrivate;
    if (is_private && !one.tap.empty()) {
      return fail(ErrorKind::kInvalidArgument,
                  "switch {}: tap: a private switch has no port towards the host", one.name);
    }
    if (!is_private && one.tap.empty()) {
      return fail(ErrorKind::kInvalidArgument,
                  "switch {}: tap: is missing; name the interface of the host", one.name);
    }
    for (size_t j = 0; j < i; ++j) {
      if (switches[j].name == one.name) {
        return fail(ErrorKind::kInvalidArgument, "switch {}: given twice", one.name);
      }
      if (!one.tap.empty() && switches[j].tap == one.tap) {
        return fail(ErrorKind::kInvalidArgument, "switch {}: tap: '{}' is switch {}'s too",
                    one.name, one.tap, switches[j].name);
      }
      if (!one.vhost.empty() && switches[j].vhost == one.vhost) {
        return fail(ErrorKind::kInvalidArgument, "switch {}: vhost: '{}' is switch {}'s too",
                    one.name, one.vhost, switches[j].name);
      }
    }
  }
  return {};
}

}  // namespace

Result<void> make_guests(Setup& setup) {
  VIRIDIAN_TRY(validate_switches(setup.switches));
  if (setup.guest_texts.empty()) {
    VIRIDIAN_TRY(validate(setup.common));
    setup.guests = {setup.common};
    name_nics(setup.guests[0]);
  }
  for (const Setup::GuestText& text : setup.guest_texts)
    VIRIDIAN_TRY(add_guest(setup, text));
  return {};
}

}  // namespace viridian::vmm
