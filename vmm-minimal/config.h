// What machine to build: from the command line, a JSON file, or both. One schema: every field has
// one name and one setter, whichever way it came, so both accept and refuse the same.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vswitch/port_settings.h"

namespace viridian::vmm {

enum class DiskBus : uint8_t { kIde, kScsi };

// "ide0:1" is drive 1 of channel 0; "scsi2:7" is LUN 7 of controller 2.
struct DiskAddress {
  DiskBus bus = DiskBus::kIde;
  unsigned controller = 0, unit = 0;

  friend bool operator==(const DiskAddress&, const DiskAddress&) = default;
};
constexpr unsigned kScsiControllers = 4, kScsiUnits = 255;

enum class DiskCache : uint8_t { kNone, kWriteback };
enum class DiskFormat : uint8_t { kAuto, kRaw, kVhd };

struct DiskConfig {
  DiskAddress address;
  std::string file;  // empty for a CD-ROM drive without a disc
  DiskCache cache = DiskCache::kNone;
  DiskFormat format = DiskFormat::kAuto;
  bool read_only = false;
  bool cdrom = false;
  std::string serial;  // empty: one made of the address
};

enum class NetKind : uint8_t { kTulip, kNetvsp };

struct NetConfig {
  unsigned index = 0;  // 2 for "nic2"
  NetKind kind = NetKind::kTulip;
  std::string switch_name;     // NICs with the same name are on one switch
  vswitch::MacAddress mac;     // zero: 00:15:5d:00:0G:0N of "nicN" of guest G
  unsigned queues = 0;         // channels of a synthetic NIC; 0: as many as the guest has CPUs
  vswitch::VlanSettings vlan;  // of its port
  vswitch::MirrorMode mirror = vswitch::MirrorMode::kNone;
};
constexpr unsigned kMaxNics = 4;  // Hyper-V's legacy adapters
constexpr unsigned kMaxQueues = 16;

struct SwitchConfig {
  std::string name;
  vswitch::SwitchKind kind = vswitch::SwitchKind::kPrivate;
  std::string tap;             // the interface of the host's port or of the uplink
  std::string vhost;           // a socket for a guest of another process (vhost-user)
  uint16_t mtu = 1500;         // of both
  vswitch::VlanSettings vlan;  // of the interface's port
  vswitch::MirrorMode mirror = vswitch::MirrorMode::kNone;  // likewise
};
constexpr size_t kMaxSwitches = 16, kMaxGuests = 8;

enum class OnReset : uint8_t { kExit, kReboot };

// One guest.
struct Config {
  std::string name;        // of a guest among several
  unsigned number = 0;     // likewise
  std::string serial_log;  // empty: standard output
  uint64_t memory_bytes = 512 << 20;
  unsigned cpus = 1;
  std::string kernel, initrd, append;
  std::string payload;  // instead of a kernel: a flat file of instructions
  bool payload_is_real_mode = false;
  std::vector<DiskConfig> disks;
  std::vector<NetConfig> nics;
  bool hyperv = true;     // CPUID, MSRs, SynIC and VMBus
  bool any_kvm = false;   // a kernel also where KVM has no hardware virtualization
  bool vmbus_ide = true;  // IDE disks also on VMBus (IDE accelerator)
  OnReset on_reset = OnReset::kExit;
  bool use_stdin = true;
  bool stats = false;
  std::string stats_json;
};

// All that one process runs. With "guests" in the JSON file, `common` is what they have in common:
// each is a copy of it, with its own fields over it.
struct Setup {
  struct GuestText {
    std::string where;  // for messages
    std::string json;
  };
  Config common;
  std::vector<GuestText> guest_texts;
  std::vector<SwitchConfig> switches;
  std::string control_socket;  // "control"; empty: nobody controls the switches
  std::vector<Config> guests;
};

// "512M": bytes, or with K, M, G, T (powers of 1024).
Result<uint64_t> parse_size(std::string_view text);
std::string to_string(const DiskAddress& address);
Result<DiskAddress> parse_address(std::string_view text);

// "ide0:0=boot.vhd,cache=none,ro". A file name with a comma needs the JSON file.
Result<DiskConfig> parse_disk(std::string_view text);

// `field` is a name of the JSON schema, such as "memory" or "on-reset".
Result<void> set_field(Config& config, std::string_view field, std::string_view value);
Result<void> set_disk_field(DiskConfig& disk, std::string_view field, std::string_view value);

// `name` is the file's, for messages. One guest's fields.
Result<void> apply_json(Config& config, std::string_view name, std::string_view text);
// And those of the process: "guests", "switches", "control".
Result<void> apply_json(Setup& setup, std::string_view name, std::string_view text);

// config_net.cc: "nic0=netvsp,switch=lan,mac=00:15:5d:01:02:03,vlan=10" (or vlan=trunk).
Result<unsigned> parse_nic(std::string_view text);
Result<NetConfig> parse_net(std::string_view text);
Result<void> set_net_field(NetConfig& nic, std::string_view field, std::string_view value);
Result<void> validate_nics(const Config& config);
// "lan=internal,tap=vlan0,mtu=9000"
Result<SwitchConfig> parse_switch(std::string_view text);
Result<void> set_switch_field(SwitchConfig& config, std::string_view field, std::string_view value);

// What only shows when everything is known: something to boot, no address used twice.
Result<void> validate(const Config& config);

// config_guests.cc: fills in `guests` when all else is known, and looks at them together.
Result<void> make_guests(Setup& setup);

}  // namespace viridian::vmm
