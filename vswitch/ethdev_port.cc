#include "vswitch/ethdev_port.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string_view>

#include "vswitch/limits.h"
#include "vswitch/owned_burst.h"
#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);
constexpr uint16_t kQueueEntries = 512;
constexpr size_t kAddressBytes = 12;
constexpr uint64_t kChecksumOffloads =
    RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
// What a device says of a frame that it received, and that has the same meaning here.
constexpr uint64_t kReceivedFlags = kFrameVlan | kFrameHash | kFrameChecksumGood;

std::string name_of(const std::string& device) { return device.substr(0, device.find(',')); }

// Whether a frame means nothing to its driver any more when it was sent.
bool copies_at_once(std::string_view driver) {
  constexpr std::array<std::string_view, 4> kKnown = {"net_null", "net_pcap", "net_af_packet",
                                                      "net_tap"};
  return std::find(kKnown.begin(), kKnown.end(), driver) != kKnown.end();
}

void clean(rte_mbuf& frame) noexcept {
  const bool verified =
      (frame.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  frame.ol_flags &= kReceivedFlags & ~kFrameChecksumGood;
  if (verified) frame.ol_flags |= kFrameChecksumGood;
}

}  // namespace

Result<std::unique_ptr<EthdevPort>> EthdevPort::create(io::Reactor& reactor, rte_mempool* pool,
                                                       const EthdevOptions& options) {
  std::unique_ptr<EthdevPort> port(new EthdevPort(reactor, pool));
  if (auto opened = port->open(options); !opened) {
    return Unexpected(
        with_context(fmt::format("device \"{}\"", options.device), std::move(opened).error()));
  }
  auto timer = io::TimerSource::create(
      reactor, [](void*) noexcept {}, nullptr);
  if (!timer) return Unexpected(timer.error());
  port->timer_ = std::move(*timer);
  return port;
}

Result<void> EthdevPort::open(const EthdevOptions& options) {
  const std::string name = name_of(options.device);
  if (name.empty()) return fail(ErrorKind::kInvalidArgument, "it has no name");
  uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {
    if (rte_dev_probe(options.device.c_str()) != 0 ||
        rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {
      return fail(ErrorKind::kNotFound,
                  "DPDK does not know it or refuses its arguments; drivers begin with net_");
    }
    attached_ = true;
  }
  uint64_t owner = 0;
  rte_eth_dev_owner old = {};
  if (rte_eth_dev_owner_get(id, &old) == 0 && old.id != RTE_ETH_DEV_NO_OWNER)
    return fail(ErrorKind::kLocked, "another port uses it");
  if (rte_eth_dev_owner_new(&owner) != 0) return fail(ErrorKind::kIo, "no owner");
  rte_eth_dev_owner mine = {};
  mine.id = owner;
  std::strncpy(mine.name, "viridian", sizeof(mine.name) - 1);
  if (const int error = rte_eth_dev_owner_set(id, &mine); error != 0)
    return fail_errno("it cannot be taken", -error);
  id_ = id;
  return start(options);
}

Result<void> EthdevPort::start(const EthdevOptions& options) {
  rte_eth_dev_info info = {};
  if (const int error = rte_eth_dev_info_get(id_, &info); error != 0)
    return fail_errno("it says nothing of itself", -error);
  rte_eth_conf config = {};
  const bool checksum = (info.tx_offload_capa & kChecksumOffloads) == kChecksumOffloads;
  const bool segmentation = checksum && (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
  config.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (checksum) config.txmode.offloads |= kChecksumOffloads;
  if (segmentation) config.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
  config.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  int error = rte_eth_dev_configure(id_, 1, 1, &config);
  uint16_t receive_entries = kQueueEntries;
  uint16_t transmit_entries = kQueueEntries;
  if (error == 0)
    error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive_entries, &transmit_entries);
  if (error == 0)
    error = rte_eth_rx_queue_setup(id_, 0, receive_entries, kAnySocket, nullptr, pool_);
  if (error == 0) error = rte_eth_tx_queue_setup(id_, 0, transmit_entries, kAnySocket, nullptr);
  if (error != 0) return fail_errno("its queues", -error);
  error = rte_eth_dev_set_mtu(id_, options.mtu);
  if (error != 0 && error != -ENOTSUP)
    return fail_errno(fmt::format("mtu {}", options.mtu), -error);
  if (error = rte_eth_dev_start(id_); error != 0) return fail_errno("it does not start", -error);
  rte_eth_promiscuous_enable(id_);
  copies_ = copies_at_once(info.driver_name);
  features_ = {
      .checksum = checksum, .segmentation = segmentation, .mtu = options.mtu, .takes_frames = true};
  return {};
}

void EthdevPort::close() noexcept {
  if (!timer_) return;
  timer_->stop();
  reactor_.run_until([this] { return timer_->stopped(); });
}

EthdevPort::~EthdevPort() {
  close();
  if (id_ == UINT16_MAX) return;
  rte_device* device = nullptr;
  rte_eth_dev_info info = {};
  if (attached_ && rte_eth_dev_info_get(id_, &info) == 0) device = info.device;
  rte_eth_dev_owner owner = {};
  if (rte_eth_dev_owner_get(id_, &owner) == 0) rte_eth_dev_owner_unset(id_, owner.id);
  rte_eth_dev_stop(id_);
  if (device != nullptr) {
    rte_eth_dev_close(id_);
    rte_dev_remove(device);
  }
}

// Interrupts are for devices that have some; all have time.
bool EthdevPort::arm() noexcept {
  timer_->start();
  timer_->set(std::chrono::nanoseconds(kEthdevPollNs));
  return true;
}

uint16_t EthdevPort::receive(std::span<rte_mbuf*> frames) noexcept {
  const uint16_t count =
      rte_eth_rx_burst(id_, 0, frames.data(), static_cast<uint16_t>(frames.size()));
  for (uint16_t i = 0; i < count; ++i)
    clean(*frames[i]);
  return count;
}

// What the device may keep as long as it likes: the frame itself, or a copy if its tag must be
// among its bytes, or if others have it too and the device might still look at it when they do.
rte_mbuf* EthdevPort::own(rte_mbuf& frame) const noexcept {
  const bool tagged = has_tag(frame);
  const bool borrowed = copies_ && !features_.checksum;  // its headers are not written to
  if (!tagged && (borrowed || rte_mbuf_refcnt_read(&frame) == 1)) return &frame;
  rte_mbuf* copy = rte_pktmbuf_copy(&frame, pool_, 0, UINT32_MAX);
  if (copy == nullptr || !tagged) return copy;
  auto* data = rte_pktmbuf_prepend(copy, sizeof(VlanTag));
  if (data == nullptr) {
    rte_pktmbuf_free(copy);
    return nullptr;
  }
  std::memmove(data, data + sizeof(VlanTag), kAddressBytes);
  VlanTag tag;
  tag.type = kTagType;
  tag.control = frame.vlan_tci;
  std::memcpy(data + kAddressBytes, &tag, sizeof(tag));
  copy->ol_flags &= ~kFrameVlan;
  if (copy->l2_len != 0) copy->l2_len = (copy->l2_len + sizeof(tag)) & 0x7F;
  return copy;
}

uint16_t EthdevPort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  return transmit_owned(
      frames, [this](rte_mbuf& frame) { return own(frame); },
      [this](std::span<rte_mbuf*> burst) {
        auto count = static_cast<uint16_t>(burst.size());
        // Devices differ in what they want in a checksum that they complete.
        if (features_.checksum) count = rte_eth_tx_prepare(id_, 0, burst.data(), count);
        return rte_eth_tx_burst(id_, 0, burst.data(), count);
      });
}

}  // namespace viridian::vswitch
