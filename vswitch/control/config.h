// The desired state of all switches of a process, as a person writes it in JSON. The fields are
// told in docs/vswitch-control.md. Plain values; any thread.
#pragma once

#include <optional>

#include "vswitch/control/fields.h"
#include "vswitch/port_settings.h"

namespace viridian::vswitch {

constexpr size_t kMaxSwitches = 64;  // of one process
constexpr size_t kMaxNameBytes = 64;

enum class DeviceKind : uint8_t {
  kTap,
  kPacket,  // a packet socket
  kEthdev,
  kVhost,
  kGuest,  // not made by configuration: it comes and goes with its guest
};

// What a port moves frames with.
struct DeviceConfig {
  DeviceKind kind = DeviceKind::kTap;
  std::string name;     // of the interface, DPDK's device string, or the socket's path
  uint16_t mtu = 1500;  // not of a packet socket, which has its interface's
  bool client = false;  // of vhost-user: it connects to the other end's socket, again and again

  // The same thing outside: `mtu` may differ.
  bool same_as(const DeviceConfig& other) const {
    return kind == other.kind && name == other.name && client == other.client;
  }
};

struct PortConfig {
  PortSettings settings;
  DeviceConfig device;
  std::optional<uint16_t> worker{};  // whose thread moves its frames; none: the host chooses
};

struct SwitchConfig {
  SwitchSettings settings;
  std::vector<PortConfig> ports;
};

struct HostConfig {
  std::vector<SwitchConfig> switches;
};

// The line names the field that makes no sense.
Result<HostConfig> parse_config(const Json& value, const std::string& path = "");

// In a form that parse_config() reads; what has its default is left out.
Json to_json(const HostConfig& config);
Json to_json(const SwitchConfig& config);
Json to_json(const PortConfig& config);

// What is wrong with the switches and ports beside each other.
Result<void> check(const HostConfig& config);

}  // namespace viridian::vswitch
