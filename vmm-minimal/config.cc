#include "vmm-minimal/config.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "vmm-minimal/config_values.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr size_t kMaxSerial = 20;  // what IDENTIFY DEVICE has room for

Result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "on") return true;
  if (text == "false" || text == "off") return false;
  return fail(ErrorKind::kInvalidArgument, "'{}' is neither true nor false", text);
}

Result<void> set_bool(bool& target, std::string_view value) {
  const auto parsed = parse_bool(value);
  if (!parsed) return Unexpected(parsed.error());
  target = *parsed;
  return {};
}

Result<void> set_memory(uint64_t& target, std::string_view value) {
  const auto size = parse_size(value);
  if (!size) return Unexpected(size.error());
  target = *size;
  return {};
}

}  // namespace

Result<void> set_number(unsigned& target, std::string_view value, unsigned least, unsigned most) {
  const auto number = parse_number<unsigned>(value);
  if (!number || *number < least || *number > most) {
    return fail(ErrorKind::kInvalidArgument, "'{}' is not a number from {} to {}", value, least,
                most);
  }
  target = *number;
  return {};
}

Result<void> set_printable(std::string& target, std::string_view value, size_t most) {
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (value.empty() || value.size() > most || !printable) {
    return fail(ErrorKind::kInvalidArgument, "'{}' is not 1 to {} printable characters", value,
                most);
  }
  target = value;
  return {};
}

Result<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  std::string_view digits = text;
  unsigned shift = 0;
  if (!text.empty() && kUnits.find(text.back()) != kUnits.npos) {
    shift = 10 * static_cast<unsigned>(kUnits.find(text.back()) + 1);
    digits.remove_suffix(1);
  }
  const auto number = parse_number<uint64_t>(digits);
  const auto size = number ? checked_mul(*number, uint64_t{1} << shift) : std::nullopt;
  if (!size) {
    return fail(ErrorKind::kInvalidArgument, "'{}' is not a size; write bytes, or 512M, 2G", text);
  }
  return *size;
}

std::string to_string(const DiskAddress& address) {
  return fmt::format("{}{}:{}", address.bus == DiskBus::kIde ? "ide" : "scsi", address.controller,
                     address.unit);
}

Result<DiskAddress> parse_address(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorKind::kInvalidArgument,
                "address '{}' is not ide0:0 to ide1:1 or scsi0:0 to scsi{}:{}", text,
                kScsiControllers - 1, kScsiUnits - 1);
  };
  DiskAddress address;
  std::string_view rest = text;
  if (rest.starts_with("ide")) {
    rest.remove_prefix(3);
  } else if (rest.starts_with("scsi")) {
    address.bus = DiskBus::kScsi;
    rest.remove_prefix(4);
  } else {
    return bad();
  }
  const size_t colon = rest.find(':');
  if (colon == rest.npos) return bad();
  const auto controller = parse_number<unsigned>(rest.substr(0, colon));
  const auto unit = parse_number<unsigned>(rest.substr(colon + 1));
  const bool ide = address.bus == DiskBus::kIde;
  if (!controller || !unit || *controller >= (ide ? 2 : kScsiControllers) ||
      *unit >= (ide ? 2 : kScsiUnits)) {
    return bad();
  }
  address.controller = *controller;
  address.unit = *unit;
  return address;
}

Result<void> set_disk_field(DiskConfig& disk, std::string_view field, std::string_view value) {
  if (field == "address") {
    const auto address = parse_address(value);
    if (!address) return Unexpected(address.error());
    disk.address = *address;
    return {};
  }
  if (field == "file") {
    disk.file = value;
    return {};
  }
  if (field == "cache") {
    return set_choice<DiskCache>(
        disk.cache, value, {{"none", DiskCache::kNone}, {"writeback", DiskCache::kWriteback}});
  }
  if (field == "format") {
    return set_choice<DiskFormat>(
        disk.format, value,
        {{"auto", DiskFormat::kAuto}, {"raw", DiskFormat::kRaw}, {"vhd", DiskFormat::kVhd}});
  }
  if (field == "kind") {
    return set_choice<bool>(disk.cdrom, value, {{"disk", false}, {"cdrom", true}});
  }
  if (field == "readonly") return set_bool(disk.read_only, value);
  if (field == "serial") return set_printable(disk.serial, value, kMaxSerial);
  return fail(ErrorKind::kInvalidArgument,
              "is not a field of a disk; known are address, file, cache, format, kind, readonly "
              "and serial");
}

Result<DiskConfig> parse_disk(std::string_view text) {
  DiskConfig disk;
  const size_t equals = text.find('=');
  const auto address = parse_address(text.substr(0, equals));
  if (!address) return Unexpected(address.error());
  disk.address = *address;
  std::string_view rest = equals == text.npos ? "" : text.substr(equals + 1);
  disk.file = rest.substr(0, rest.find(','));
  while (rest.find(',') != rest.npos) {
    rest.remove_prefix(rest.find(',') + 1);
    const std::string_view option = rest.substr(0, rest.find(','));
    const size_t at = option.find('=');
    std::string_view field = option.substr(0, at);
    std::string_view value = at == option.npos ? "true" : option.substr(at + 1);
    if (field == "ro") field = "readonly";
    if (field == "cdrom") {
      field = "kind";
      value = "cdrom";
    }
    if (auto set = set_disk_field(disk, field, value); !set) {
      return with_context(fmt::format("{}: {}", to_string(disk.address), field), set.error());
    }
  }
  return disk;
}

Result<void> set_field(Config& config, std::string_view field, std::string_view value) {
  const std::pair<std::string_view, std::string*> texts[] = {
      {"kernel", &config.kernel},         {"initrd", &config.initrd},
      {"append", &config.append},         {"payload", &config.payload},
      {"stats-json", &config.stats_json}, {"name", &config.name},
      {"serial-log", &config.serial_log},
  };
  for (const auto& [name, target] : texts) {
    if (name != field) continue;
    *target = value;
    return {};
  }
  const std::pair<std::string_view, bool*> switches[] = {
      {"hyperv", &config.hyperv},   {"any-kvm", &config.any_kvm}, {"vmbus-ide", &config.vmbus_ide},
      {"stdin", &config.use_stdin}, {"stats", &config.stats},
  };
  for (const auto& [name, target] : switches) {
    if (name == field) return set_bool(*target, value);
  }
  if (field == "memory") return set_memory(config.memory_bytes, value);
  if (field == "cpus") return set_number(config.cpus, value, 1, kMaxVcpus);
  if (field == "payload-mode") {
    return set_choice<bool>(config.payload_is_real_mode, value, {{"long", false}, {"real", true}});
  }
  if (field == "on-reset") {
    return set_choice<OnReset>(config.on_reset, value,
                               {{"exit", OnReset::kExit}, {"reboot", OnReset::kReboot}});
  }
  return fail(ErrorKind::kInvalidArgument, "is not a field of the configuration");
}

namespace {

Result<void> validate_disk(const Config& config, const DiskConfig& disk) {
  const std::string address = to_string(disk.address);
  const bool scsi = disk.address.bus == DiskBus::kScsi;
  if (disk.file.empty() && (!disk.cdrom || scsi)) {
    return fail(ErrorKind::kInvalidArgument, "disk {}: file is missing; write {}=FILE", address,
                address);
  }
  if (scsi && !config.hyperv) {
    return fail(ErrorKind::kInvalidArgument,
                "disk {}: SCSI disks are on VMBus, which --no-hyperv switches off", address);
  }
  if (scsi && !disk.serial.empty()) {
    return fail(ErrorKind::kInvalidArgument,
                "disk {}: serial: only IDE disks have one; a SCSI disk shows its image's unique id",
                address);
  }
  return {};
}

Result<void> validate_pair(const DiskConfig& first, const DiskConfig& second) {
  if (first.address == second.address) {
    return fail(ErrorKind::kInvalidArgument, "disk {}: used twice, by '{}' and '{}'",
                to_string(first.address), first.file, second.file);
  }
  const bool written = !(first.read_only || first.cdrom) || !(second.read_only || second.cdrom);
  if (written && !first.file.empty() && first.file == second.file) {
    return fail(ErrorKind::kInvalidArgument,
                "disk {}: '{}' is disk {} too; two disks cannot write to one image",
                to_string(second.address), second.file, to_string(first.address));
  }
  return {};
}

}  // namespace

Result<void> validate(const Config& config) {
  if (config.kernel.empty() == config.payload.empty()) {
    return fail(ErrorKind::kInvalidArgument,
                "kernel: give a kernel to boot (or a payload, and not both)");
  }
  for (size_t i = 0; i < config.disks.size(); ++i) {
    VIRIDIAN_TRY(validate_disk(config, config.disks[i]));
    for (size_t j = 0; j < i; ++j)
      VIRIDIAN_TRY(validate_pair(config.disks[j], config.disks[i]));
  }
  return validate_nics(config);
}

}  // namespace viridian::vmm
