#include "vswitch/vhost_port.h"

#include <rte_vhost.h>

#include <algorithm>
#include <array>
#include <utility>

#include "vswitch/vhost_frame.h"

namespace viridian::vswitch {
namespace {

constexpr uint16_t kReceiveQueue = 0;  // the guest's
constexpr uint16_t kSendQueue = 1;

}  // namespace

Result<std::unique_ptr<VhostPort>> VhostPort::create(io::Reactor& reactor, rte_mempool* pool,
                                                     const VhostOptions& options) {
  auto socket = VhostSocket::open(options.socket, options.client);
  if (!socket) return Unexpected(socket.error());
  return std::unique_ptr<VhostPort>(
      new VhostPort(reactor, pool, std::move(*socket), options.mtu));  // set-up
}

// A ring wakes the worker, which then looks: there is nothing more to do.
VhostPort::VhostPort(io::Reactor& reactor, rte_mempool* pool, std::unique_ptr<VhostSocket> socket,
                     uint16_t mtu)
    : reactor_(reactor),
      pool_(pool),
      socket_(std::move(socket)),
      wanted_mtu_(mtu),
      kick_(
          reactor, [](void*) noexcept {}, nullptr) {}

VhostPort::~VhostPort() { rte_pktmbuf_free_bulk(early_.data(), early_count_); }

PortFeatures VhostPort::features() const noexcept {
  const uint16_t mtu = guest_mtu_ == 0 ? wanted_mtu_ : std::min(wanted_mtu_, guest_mtu_);
  return {.checksum = checksum_, .segmentation = segmentation_, .mtu = mtu};
}

void VhostPort::start() noexcept {
  started_ = true;
  socket_->link().start(
      reactor_, [](void* context) noexcept { static_cast<VhostPort*>(context)->look(); }, this);
}

// Who is there may have changed.
void VhostPort::look() noexcept {
  auto device = socket_->link().take();
  if (!device) {
    device_ = -1;
    kick_.set({});
    return;
  }
  device_ = device->id;
  checksum_ = device->checksum;
  segmentation_ = device->segmentation;
  guest_mtu_ = device->mtu;
  if (device->kick) kick_.set(std::move(device->kick));
  ring(false);
}

// False: not now. The worker is told when it may try again.
bool VhostPort::ring(bool wanted) noexcept {
  if (!socket_->link().enter()) return false;
  rte_vhost_enable_guest_notification(device_, kSendQueue, wanted ? 1 : 0);
  socket_->link().leave();
  armed_ = wanted;
  return true;
}

uint16_t VhostPort::take(std::span<rte_mbuf*> frames) noexcept {
  if (!socket_->link().enter()) return 0;
  const uint16_t count = rte_vhost_dequeue_burst(device_, kSendQueue, pool_, frames.data(),
                                                 static_cast<uint16_t>(frames.size()));
  socket_->link().leave();
  for (uint16_t i = 0; i < count; ++i) {
    if (frames[i]->ol_flags != 0) take_vhost_offloads(*frames[i]);
  }
  return count;
}

// What rte_vhost did not take it leaves in the array as it frees it: only the count is to be
// trusted.
bool VhostPort::look_early() noexcept {
  if (early_count_ == 0) early_count_ = take(early_);
  return early_count_ != 0;
}

uint16_t VhostPort::receive(std::span<rte_mbuf*> frames) noexcept {
  if (device_ < 0 && !started_) [[unlikely]]
    start();
  if (early_count_ == 0) [[likely]] {
    if (device_ < 0) return 0;
    if (frames.size() >= early_.size()) return take(frames);
    if (!look_early()) return 0;
  }
  frames[0] = early_[0];
  early_[0] = early_[1];
  --early_count_;
  return 1;
}

uint16_t VhostPort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  if (device_ < 0 || !socket_->link().enter()) return 0;
  std::array<rte_mbuf*, kBurst> burst;
  std::array<rte_mbuf*, kBurst> heads;
  uint16_t head_count = 0;
  uint16_t count = 0;
  for (rte_mbuf* frame : frames) {
    rte_mbuf* given = frame;
    if ((frame->ol_flags & kFrameNeedsLook) != 0) [[unlikely]] {
      given = add_vhost_head(*frame, pool_);
      if (given == nullptr) break;
      heads[head_count++] = given;
    }
    burst[count++] = given;
  }
  const uint16_t taken = rte_vhost_enqueue_burst(device_, kReceiveQueue, burst.data(), count);
  socket_->link().leave();
  for (uint16_t i = 0; i < head_count; ++i)
    drop_vhost_head(*heads[i]);
  return taken;
}

// The guest may have sent before it saw that it shall ring.
bool VhostPort::arm() noexcept {
  if (!started_) start();
  if (device_ < 0) return true;
  if (!armed_ && !ring(true)) return true;
  if (!look_early()) {
    kick_.arm();
    return true;
  }
  return false;
}

void VhostPort::disarm() noexcept {
  if (armed_ && device_ >= 0) ring(false);
}

void VhostPort::close() noexcept {
  if (!started_) return;
  device_ = -1;
  socket_->link().stop();
  kick_.close();
}

}  // namespace viridian::vswitch
