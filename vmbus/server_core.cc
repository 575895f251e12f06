#include "vmbus/server_core.h"

#include <algorithm>

namespace viridian::vmbus {
namespace {

// Where the guest signals a channel. Clear of the connections for messages, and small, so that the
// machine's table of doorbells may be one.
constexpr uint32_t kEventConnectionBase = 0x1000;

uint32_t event_connection(const Channel& channel) { return kEventConnectionBase + channel.relid(); }

}  // namespace

ServerCore::ServerCore(io::Reactor& reactor, const GuestMemory& memory, Host& host,
                       Server::Options options)
    : reactor_(reactor),
      memory_(memory),
      host_(host),
      max_version_(options.max_version),
      channels_(1),
      gpadls_(memory),
      take_messages_(*this,
                     [](io::Completion& completion) noexcept {
                       static_cast<Task&>(completion).core.take_messages();
                     }),
      bury_(*this,
            [](io::Completion& completion) noexcept {
              auto& self = static_cast<Task&>(completion);
              self.queued = false;
              self.core.bury();
            }),
      finish_drain_(*this, [](io::Completion& completion) noexcept {
        auto& self = static_cast<Task&>(completion);
        self.queued = false;
        self.core.finish_drain();
      }) {}

void ServerCore::run_soon(Task& task) noexcept {
  if (task.queued) return;
  task.queued = true;
  reactor_.defer(task);
}

// --- offers --------------------------------------------------------------------------------------

Result<void> ServerCore::offer(Device& device) {
  auto offer = std::make_unique<Offer>();
  offer->device = &device;
  offer->description = device.offer();
  for (const auto& other : offers_) {
    if (other->description.instance == offer->description.instance) {
      return fail(ErrorKind::kInvalidArgument, "VMBus instance {} is offered twice",
                  to_string(other->description.instance));
    }
  }
  const auto channel = add_channel(*offer, 0);
  if (!channel) return Unexpected(channel.error());
  offers_.push_back(std::move(offer));
  if (offers_requested_) send_offer(**channel);
  return {};
}

uint16_t ServerCore::offer_sub_channels(Channel& primary, uint16_t count) noexcept {
  if (state_ != State::kConnected || primary.sub_channel_index_ != 0 || primary.rescinded_) {
    return 0;
  }
  Offer& offer = *primary.offer_;
  for (const Channel* channel : offer.channels) {
    if (channel->sub_channel_index_ > 0 && !channel->rescinded_) return 0;
  }
  count = std::min({count, offer.description.max_sub_channels, kMaxSubChannels});
  for (uint16_t index = 1; index <= count; ++index) {
    const auto channel = add_channel(offer, index);
    if (!channel) return static_cast<uint16_t>(index - 1);
    send_offer(**channel);
  }
  return count;
}

Result<Channel*> ServerCore::add_channel(Offer& offer, uint16_t sub_channel_index) {
  // The smallest free relid, so that the guest scans few event flags.
  const auto free = std::find(channels_.begin() + 1, channels_.end(), nullptr);
  const auto relid = static_cast<uint32_t>(free - channels_.begin());
  if (relid > kMaxChannels) {
    return fail(ErrorKind::kUnsupported, "VMBus has no room for more than {} channels",
                kMaxChannels);
  }
  std::unique_ptr<Channel> channel(new Channel(*this, relid, sub_channel_index));
  VIRIDIAN_TRY(channel->create_doorbell());
  channel->offer_ = &offer;
  channel->device_ = offer.device;
  offer.channels.push_back(channel.get());
  if (free == channels_.end()) {
    return channels_.emplace_back(std::move(channel)).get();
  }
  *free = std::move(channel);
  return free->get();
}

void ServerCore::send_offer(Channel& channel) {
  const OfferDescription& description = channel.offer_->description;
  OfferChannel message{};
  message.type = description.type;
  message.instance = description.instance;
  message.flags = description.flags;
  message.mmio_megabytes = description.mmio_megabytes;
  message.user_defined = description.user_defined;
  message.sub_channel_index = channel.sub_channel_index_;
  message.relid = channel.relid_;
  message.dedicated_interrupt = 1;
  message.connection_id = event_connection(channel);
  channel.offered_ = true;
  send(message_type::kOfferChannel, message);
}

void ServerCore::rescind(Device& device, io::Completion& done) {
  const auto offer = std::find_if(offers_.begin(), offers_.end(),
                                  [&](const auto& one) { return one->device == &device; });
  if (offer == offers_.end()) {
    reactor_.defer(done);
    return;
  }
  (*offer)->rescind_done = &done;
  // A guest must have let go of the sub-channels before it sees the primary go. The list shrinks,
  // and the offer may go, as channels are detached.
  std::vector<Channel*> channels = (*offer)->channels;
  for (auto channel = channels.rbegin(); channel != channels.rend(); ++channel)
    rescind(**channel);
}

void ServerCore::rescind(Channel& channel) {
  if (channel.rescinded_) return;
  channel.rescinded_ = true;
  if (channel.offered_ && state_ == State::kConnected) {
    send(message_type::kRescindOffer, RelidMessage{{}, channel.relid_});
  }
  if (channel.state_ == Channel::State::kOpen) begin_close(channel);
  if (channel.state_ == Channel::State::kClosed) detach(channel);
}

// Ends what binds a closed, rescinded channel to its device.
void ServerCore::detach(Channel& channel) {
  Offer& offer = *channel.offer_;
  std::erase(offer.channels, &channel);
  channel.offer_ = nullptr;
  channel.device_ = nullptr;
  if (!channel.offered_ || channel.released_) remove(channel);
  if (!offer.channels.empty() || offer.rescind_done == nullptr) return;
  io::Completion& done = *offer.rescind_done;
  std::erase_if(offers_, [&](const auto& one) { return one.get() == &offer; });
  reactor_.defer(done);
}

void ServerCore::remove(Channel& channel) {
  gpadls_.erase_channel(channel.relid_);
  graves_.push_back(std::move(channels_[channel.relid_]));
  run_soon(bury_);
}

void ServerCore::bury() noexcept {
  std::erase_if(graves_, [](const auto& channel) { return channel->is_idle(); });
  if (!graves_.empty()) run_soon(bury_);
}

Channel* ServerCore::find(uint32_t relid) noexcept {
  return relid < channels_.size() ? channels_[relid].get() : nullptr;
}

// --- open and close ------------------------------------------------------------------------------

Result<void> ServerCore::open(Channel& channel, const OpenChannel& open) {
  const Gpadl* gpadl = gpadls_.find(channel.relid_, open.ring_gpadl);
  const uint32_t split = open.downstream_page_offset;
  if (gpadl == nullptr || gpadl->byte_offset != 0 || gpadl->byte_count % kPageBytes != 0 ||
      split > gpadl->pfns.size()) {
    errors_.count(ServerError::kBadOpen);
    return fail(ErrorKind::kInvalidArgument, "no rings");
  }
  const std::span<const uint64_t> pfns = gpadl->pfns;
  auto incoming = RingMemory::map(memory_, pfns.first(split));
  auto outgoing = RingMemory::map(memory_, pfns.subspan(split));
  if (!incoming || !outgoing) {
    errors_.count(ServerError::kBadOpen);
    return Unexpected(incoming ? outgoing.error() : incoming.error());
  }
  const int fd = channel.doorbell_->fd();
  auto doorbell = host_.add_doorbell(event_connection(channel), fd);
  if (!doorbell) {
    errors_.count(ServerError::kOpenRefused);
    return doorbell;
  }
  channel.ring_gpadl_ = open.ring_gpadl;
  channel.target_vp_ = open.target_vp;
  const auto data = std::as_bytes(std::span(open.user_data));
  std::copy(data.begin(), data.end(), channel.open_data_.begin());
  channel.start(IncomingRing(std::move(*incoming)), OutgoingRing(std::move(*outgoing)));
  auto opened = channel.device_->open(channel);
  if (!opened) {
    errors_.count(ServerError::kOpenRefused);
    host_.remove_doorbell(event_connection(channel), fd);
    channel.begin_close();
    channel.state_ = Channel::State::kClosed;
    return opened;
  }
  ++open_channels_;
  return {};
}

void ServerCore::begin_close(Channel& channel) {
  host_.remove_doorbell(event_connection(channel), channel.doorbell_->fd());
  channel.begin_close();
  channel.device_->close(channel);
}

void ServerCore::close_finished(Channel& channel) noexcept {
  if (channel.state_ != Channel::State::kClosing) return;
  channel.state_ = Channel::State::kClosed;
  --open_channels_;
  for (const uint32_t handle : channel.late_teardowns_) {
    gpadls_.erase(channel.relid_, handle);
    if (state_ == State::kConnected) send_torndown(handle);
  }
  channel.late_teardowns_.clear();
  if (channel.rescinded_) detach(channel);
  if (state_ == State::kDraining && open_channels_ == 0) run_soon(finish_drain_);
}

// --- the end of a connection ---------------------------------------------------------------------

void ServerCore::reset(io::Completion& done) {
  reset_done_ = &done;
  begin_drain();
}

void ServerCore::begin_drain() {
  if (state_ == State::kDraining) return;
  state_ = State::kDraining;
  outbound_.clear();
  for (const auto& channel : channels_) {
    if (channel && channel->state_ == Channel::State::kOpen) begin_close(*channel);
  }
  if (open_channels_ == 0) run_soon(finish_drain_);
}

void ServerCore::finish_drain() {
  if (state_ != State::kDraining || open_channels_ > 0) return;
  gpadls_.clear();
  for (size_t relid = 1; relid < channels_.size(); ++relid) {
    Channel* channel = channels_[relid].get();
    if (channel == nullptr) continue;
    channel->offered_ = false;
    if (channel->offer_ == nullptr) {
      remove(*channel);
    } else if (channel->sub_channel_index_ > 0 || channel->rescinded_) {
      detach(*channel);
    }
  }
  if (reset_done_ != nullptr) {
    const bool is_idle =
        graves_.empty() && std::all_of(channels_.begin(), channels_.end(), [](const auto& channel) {
          return !channel || channel->is_idle();
        });
    if (!is_idle) return run_soon(finish_drain_);
    inbound_.clear();
    pending_contact_.reset();
    pending_unload_ = false;
  }
  state_ = State::kDisconnected;
  version_ = 0;
  offers_requested_ = false;
  if (std::exchange(stalled_, false)) reactor_.defer(take_messages_);
  if (std::exchange(pending_unload_, false)) send(message_type::kUnloadResponse);
  if (const auto contact = std::exchange(pending_contact_, std::nullopt)) negotiate(*contact);
  if (io::Completion* done = std::exchange(reset_done_, nullptr)) reactor_.defer(*done);
}

}  // namespace viridian::vmbus
