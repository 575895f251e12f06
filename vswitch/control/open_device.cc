#include "vswitch/control/open_device.h"

#include "vswitch/ethdev_port.h"
#include "vswitch/packet_port.h"
#include "vswitch/tap_port.h"
#include "vswitch/vhost_port.h"

namespace viridian::vswitch {
namespace {

template <class Port>
Result<std::unique_ptr<SwitchPort>> as_port(Result<std::unique_ptr<Port>> made) {
  if (!made) return Unexpected(made.error());
  return std::unique_ptr<SwitchPort>(std::move(*made));
}

}  // namespace

Result<std::unique_ptr<SwitchPort>> open_device(io::Reactor& reactor, rte_mempool* pool,
                                                const DeviceConfig& config) {
  switch (config.kind) {
    case DeviceKind::kTap:
      return as_port(TapPort::create(reactor, pool, {config.name, config.mtu}));
    case DeviceKind::kPacket:
      return as_port(PacketPort::create(reactor, pool, {config.name}));
    case DeviceKind::kEthdev:
      return as_port(EthdevPort::create(reactor, pool, {config.name, config.mtu}));
    case DeviceKind::kVhost:
      return as_port(VhostPort::create(reactor, pool, {config.name, config.client, config.mtu}));
    case DeviceKind::kGuest:
      break;
  }
  return fail(ErrorKind::kInvalidArgument, "type: a guest's port comes with its guest");
}

Result<void> set_device_mtu(SwitchPort& device, const DeviceConfig& config) {
  switch (config.kind) {
    case DeviceKind::kTap:
      return static_cast<TapPort&>(device).set_mtu(config.mtu);
    case DeviceKind::kVhost:
      static_cast<VhostPort&>(device).set_mtu(config.mtu);
      return {};
    default:
      return fail(ErrorKind::kUnsupported, "mtu: this type of port keeps its MTU while it lives");
  }
}

}  // namespace viridian::vswitch
