// A TAP interface of the host as a port: the host's own port of an internal switch, or the way to a
// bridge. Linux: Documentation/networking/tuntap.rst; the header before each frame is virtio's
// (virtio 1.2, section 5.1.6), so checksums and segmentation pass both ways undone.
//
// A frame costs one read() or write(). Worker's thread only; the constructor's work is set-up.
#pragma once

#include <memory>
#include <string>

#include "io/poll_source.h"
#include "vswitch/switch_port.h"
#include "vswitch/virtio_frame.h"

namespace viridian::vswitch {

struct TapOptions {
  std::string name;     // of the interface; "%d" in it is replaced by a number; at most 15 bytes
  uint16_t mtu = 1500;  // the interface gets it
};

class TapPort final : public SwitchPort {
 public:
  // Makes the interface, or attaches to one that is there and persistent. It stays down or up as it
  // is, and goes with the port unless it is persistent. `pool` outlives all frames.
  static Result<std::unique_ptr<TapPort>> create(io::Reactor& reactor, rte_mempool* pool,
                                                 const TapOptions& options);
  ~TapPort() override;

  // Worker's thread.
  Result<void> set_mtu(uint16_t mtu);

  const std::string& interface_name() const noexcept { return name_; }

  PortFeatures features() const noexcept override { return {true, true, mtu_}; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override;
  void set_link(bool up) noexcept override;
  void disarm() noexcept override {}
  void close() noexcept override { poll_.close(); }

 private:
  TapPort(io::Reactor& reactor, rte_mempool* pool, UniqueFd fd, std::string name, uint16_t mtu);

  rte_mbuf* read_frame() noexcept;
  bool write_frame(const rte_mbuf& frame) noexcept;

  UniqueFd fd_;
  std::string name_;
  uint16_t mtu_;
  bool readable_ = true;
  bool link_ = true;
  io::PollSource poll_;
  FrameRoom room_;
};

}  // namespace viridian::vswitch
