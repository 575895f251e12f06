// Makes what a port moves frames with, as the configuration says. Control's thread.
#pragma once

#include <memory>

#include "io/reactor.h"
#include "vswitch/control/config.h"
#include "vswitch/switch_port.h"

struct rte_mempool;

namespace viridian::vswitch {

// Not for guests' ports.
Result<std::unique_ptr<SwitchPort>> open_device(io::Reactor& reactor, rte_mempool* pool,
                                                const DeviceConfig& config);

// Worker's thread; `device` was made by open_device() of the same kind.
Result<void> set_device_mtu(SwitchPort& device, const DeviceConfig& config);

}  // namespace viridian::vswitch
