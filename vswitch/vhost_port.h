// A guest of another process as a port: a virtio network device behind a vhost-user socket
// (virtio 1.2, section 5.1; vhost_socket.h), through DPDK's vhost library, which reads and writes
// the rings. What the guest's driver agreed on (checksums, large sends, several buffers for a
// frame) is used both ways.
//
// Worker's thread only, but for create() and the destructor. While the worker is awake the guest is
// asked not to ring; it sleeps on the guest's own doorbell. Left out: several queue pairs; telling
// the guest that a checksum was verified, which the library cannot.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "vswitch/kick_source.h"
#include "vswitch/switch_port.h"
#include "vswitch/vhost_socket.h"

namespace viridian::vswitch {

struct VhostOptions {
  std::string socket;   // its path
  bool client = false;  // connect to it, again and again, instead of listening
  uint16_t mtu = 1500;  // less if the front end says less
};

class VhostPort final : public SwitchPort {
 public:
  // `pool` outlives all frames.
  static Result<std::unique_ptr<VhostPort>> create(io::Reactor& reactor, rte_mempool* pool,
                                                   const VhostOptions& options);
  ~VhostPort() override;  // after close(), if it was in a switch; not the worker's thread

  void set_mtu(uint16_t mtu) noexcept { wanted_mtu_ = mtu; }

  PortFeatures features() const noexcept override;
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  bool arm() noexcept override;
  void disarm() noexcept override;
  void close() noexcept override;
  bool carrier() const noexcept override { return device_ >= 0; }

 private:
  VhostPort(io::Reactor& reactor, rte_mempool* pool, std::unique_ptr<VhostSocket> socket,
            uint16_t mtu);

  void start() noexcept;
  void look() noexcept;
  bool ring(bool wanted) noexcept;
  uint16_t take(std::span<rte_mbuf*> frames) noexcept;
  bool look_early() noexcept;

  io::Reactor& reactor_;
  rte_mempool* pool_;
  std::unique_ptr<VhostSocket> socket_;
  uint16_t wanted_mtu_;
  KickSource kick_;
  bool started_ = false;  // the link tells this worker of changes
  bool armed_ = false;    // the guest is asked to ring
  int device_ = -1;       // rte_vhost's number of who is there
  bool checksum_ = false;
  bool segmentation_ = false;
  uint16_t guest_mtu_ = 0;
  // Frames that were found when the worker wanted to sleep, or had room for one. rte_vhost puts a
  // frame of its own first after a migration and then, of a packed ring, always takes one more: it
  // is given room for two at least.
  std::array<rte_mbuf*, 2> early_{};
  uint16_t early_count_ = 0;
};

}  // namespace viridian::vswitch
