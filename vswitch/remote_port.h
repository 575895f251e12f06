// A port of a switch that lives on another of the switch's workers, as this worker sees it: frames
// for it go over a link, and the other worker gives them to the real port.
//
// It takes every offload: that is work for the worker whose port it is, which alone knows what the
// port can right now, and makes and frees the copies. Its own worker's thread only.
#pragma once

#include <atomic>

#include "vswitch/switch_port.h"
#include "vswitch/worker_link.h"

struct rte_mempool;

namespace viridian::vswitch {

class RemotePort final : public SwitchPort {
 public:
  // `mtu` is written by the port's worker; `pool` is for the headers of frames that others get too,
  // and may be null if there are none.
  RemotePort(WorkerLink& link, PortId id, const std::atomic<uint16_t>& mtu, rte_mempool* pool)
      : link_(link), id_(id), mtu_(mtu), pool_(pool) {}

  PortFeatures features() const noexcept override {
    return {.checksum = true,
            .segmentation = true,
            .mtu = mtu_.load(std::memory_order_relaxed),
            .takes_frames = true};
  }
  uint16_t receive(std::span<rte_mbuf*> /*frames*/) noexcept override { return 0; }
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override { return true; }
  void disarm() noexcept override {}

 private:
  WorkerLink& link_;
  PortId id_;
  const std::atomic<uint16_t>& mtu_;
  rte_mempool* pool_;
};

}  // namespace viridian::vswitch
