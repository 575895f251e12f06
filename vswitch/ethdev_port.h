// Any Ethernet device of DPDK as a port, by its device string: "net_af_xdp0,iface=eth1",
// "net_memif0,role=server", "net_pcap0,rx_pcap=a.pcap", "net_ring0", or a PCI address that was
// given to start_dpdk(). One queue each way.
//
// A device has no doorbell here: while nothing comes it is looked at again each kEthdevPollNs. What
// it cannot do (checksums, large sends) the switch does; tags are put into the frame. Worker's
// thread only, but for create(), which is the control's. Left out: several queues, interrupts.
#pragma once

#include <memory>
#include <string>

#include "io/timer_source.h"
#include "vswitch/switch_port.h"

namespace viridian::vswitch {

struct EthdevOptions {
  std::string device;   // name and arguments, as for --vdev; or the name of a device that is there
  uint16_t mtu = 1500;  // kept if the device knows nothing of MTUs
};

class EthdevPort final : public SwitchPort {
 public:
  // Attaches the device unless it is there; takes and starts it. `pool` outlives all frames.
  static Result<std::unique_ptr<EthdevPort>> create(io::Reactor& reactor, rte_mempool* pool,
                                                    const EthdevOptions& options);
  ~EthdevPort() override;  // after close(), if it was in a switch

  PortFeatures features() const noexcept override { return features_; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override;
  void disarm() noexcept override {}
  void close() noexcept override;

 private:
  EthdevPort(io::Reactor& reactor, rte_mempool* pool) : reactor_(reactor), pool_(pool) {}
  Result<void> open(const EthdevOptions& options);
  Result<void> start(const EthdevOptions& options);
  rte_mbuf* own(rte_mbuf& frame) const noexcept;

  io::Reactor& reactor_;
  rte_mempool* pool_;
  uint16_t id_ = UINT16_MAX;
  bool attached_ = false;  // by us, so it is detached in the end
  bool copies_ = false;    // what it sends, at once
  PortFeatures features_;
  std::unique_ptr<io::TimerSource> timer_;
};

}  // namespace viridian::vswitch
