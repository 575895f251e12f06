// A network interface of the host as a port, through a packet socket (packet(7)): the uplink of an
// external switch. The interface becomes promiscuous while the port lives. Each frame has virtio's
// header before it, so checksums and large sends pass both ways undone; VLAN tags pass both ways.
//
// Frames are read and written in batches. The host's own stack keeps the interface too, unless it
// has no address there. Worker's thread only, but for create(). Left out: an interface that goes
// and comes back under its name is not found again; large frames of UDP (USO) are dropped.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "io/poll_source.h"
#include "vswitch/switch_port.h"
#include "vswitch/virtio_frame.h"

namespace viridian::vswitch {

struct PacketOptions {
  std::string interface;  // by its name
};

class PacketPort final : public SwitchPort {
 public:
  // `pool` outlives all frames. kNotFound: there is no such interface.
  static Result<std::unique_ptr<PacketPort>> create(io::Reactor& reactor, rte_mempool* pool,
                                                    const PacketOptions& options);
  ~PacketPort() override;

  PortFeatures features() const noexcept override { return {true, true, mtu_}; }
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override;
  void disarm() noexcept override {}
  void close() noexcept override { poll_.close(); }

 private:
  static constexpr size_t kReadBatch = 8;  // each has room for the largest frame
  static constexpr size_t kWriteBatch = 16;

  PacketPort(io::Reactor& reactor, rte_mempool* pool, UniqueFd fd, uint16_t mtu);

  size_t read_batch(std::span<rte_mbuf*> frames) noexcept;
  uint16_t write_batch(std::span<rte_mbuf* const> frames) noexcept;

  UniqueFd fd_;
  uint16_t mtu_;
  bool readable_ = true;
  io::PollSource poll_;
  std::array<FrameRoom, kReadBatch> rooms_;
  std::array<FramePieces, kWriteBatch> pieces_;
};

}  // namespace viridian::vswitch
