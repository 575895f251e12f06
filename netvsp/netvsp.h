// A network adapter behind VMBus: the network service provider of the guest's hv_netvsc, and a port
// of the switch.
//
// The guest negotiates NVSP (nvsp_protocol.h), lends its buffers, and speaks RNDIS (control.h) over
// them; frames go through one channel or more (net_channel.h), chosen towards the guest by the hash
// that it asked for. The reactor of the VMBus server is the worker of the port: every member
// belongs to its thread, but for statistics(). Left out: VF association, PacketDirect, chimney.
#pragma once

#include <memory>
#include <vector>

#include "netvsp/control.h"
#include "netvsp/nvsp_protocol.h"
#include "netvsp/receive_buffer.h"
#include "netvsp/send_sections.h"
#include "netvsp/statistics.h"
#include "vmbus/device.h"
#include "vswitch/switch_port.h"

namespace viridian::netvsp {

class NetChannel;

struct AdapterOptions {
  ControlIdentity identity;
  Guid instance;
  uint16_t max_sub_channels = 0;  // at most kMaxChannels - 1
};

class Adapter final : public vmbus::Device, public vswitch::SwitchPort {
 public:
  // `pool` outlives the adapter and every frame: mbufs with room for kSmallFrameBytes at least.
  Adapter(rte_mempool* pool, const AdapterOptions& options);
  ~Adapter() override;  // REQUIRES: no channel is open

  const Statistics& statistics() const noexcept { return statistics_; }
  const MacAddress& mac() const noexcept { return control_.mac(); }

  // vmbus::Device
  vmbus::OfferDescription offer() const override;
  Result<void> open(vmbus::Channel& channel) override;
  void doorbell(vmbus::Channel& channel) noexcept override;
  void writable(vmbus::Channel& channel) noexcept override;
  void close(vmbus::Channel& channel) noexcept override;
  void gpadl_torn_down(vmbus::Channel& channel, uint32_t handle) noexcept override;

  // vswitch::SwitchPort
  using vswitch::SwitchPort::close;  // beside the one of a channel
  vswitch::PortFeatures features() const noexcept override;
  uint16_t receive(std::span<rte_mbuf*> frames) noexcept override;
  uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept override;
  void flush() noexcept override;
  bool arm() noexcept override;
  void disarm() noexcept override;
  void set_link(bool up) noexcept override;

 private:
  friend class NetChannel;

  enum class State : uint8_t { kStart, kVersionAgreed, kReady };

  // For the channels.
  void nvsp_message(NetChannel& channel, const Message& message, uint64_t transaction_id,
                    bool wants_answer) noexcept;
  void rndis_control(std::span<const std::byte> message) noexcept;
  bool can_take_control() const noexcept { return answers_.size() < kPendingAnswers; }
  void send_answers() noexcept;
  void tell_link() noexcept;
  void forget(NetChannel& channel) noexcept;

  Message agree_version(const Init& init) noexcept;
  Message take_receive_buffer(NetChannel& channel, const SendBuffer& buffer) noexcept;
  Message take_send_buffer(NetChannel& channel, const SendBuffer& buffer) noexcept;
  Message allocate_sub_channels(NetChannel& channel, const SubChannelRequest& request) noexcept;
  void apply_config(const NdisConfig& config) noexcept;
  void drop_receive_buffer() noexcept;
  void reset() noexcept;
  NetChannel* choose(const rte_mbuf& frame, uint32_t& hash, bool& hashed) const noexcept;

  rte_mempool* pool_;
  AdapterOptions options_;
  Statistics statistics_;
  Control control_;

  State state_ = State::kStart;
  uint32_t version_ = 0;
  uint32_t frame_bytes_ = 1514;  // of one on the wire, from the guest's MTU
  bool rsc_capable_ = false;
  std::optional<ReceiveBuffer> receive_buffer_;
  uint16_t receive_buffer_id_ = 0;
  uint32_t receive_gpadl_ = 0;
  std::optional<SendSections> send_buffer_;
  uint32_t send_gpadl_ = 0;

  std::vector<std::unique_ptr<NetChannel>> channels_;
  std::array<NetChannel*, kMaxChannels> by_index_{};
  std::vector<std::vector<std::byte>> answers_;  // control messages that wait for the guest
  uint16_t next_receive_ = 0;                    // the channel whose turn it is
  bool armed_ = true;
  bool link_untold_ = false;  // there was no room to tell the guest of a change
};

}  // namespace viridian::netvsp
