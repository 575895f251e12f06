#include "netvsp/netvsp.h"

#include <algorithm>

#include "netvsp/flow_hash.h"
#include "netvsp/net_channel.h"

namespace viridian::netvsp {
namespace {

constexpr uint32_t kVersions[] = {kVersion61, kVersion6, kVersion5,
                                  kVersion4,  kVersion2, kVersion1};
constexpr uint32_t kMaxMdlChain = 34;
constexpr uint32_t kVlanTagBytes = 4;
constexpr uint32_t kSectionAlignment = 64;

}  // namespace

Adapter::Adapter(rte_mempool* pool, const AdapterOptions& options)
    : pool_(pool), options_(options), control_(options.identity, statistics_) {
  answers_.reserve(kPendingAnswers);
}

Adapter::~Adapter() = default;

void Adapter::set_link(bool up) noexcept {
  if (up == control_.is_link_up()) return;
  control_.set_link(up);
  link_untold_ = control_.is_initialized();  // else the guest will ask
  tell_link();
}

void Adapter::tell_link() noexcept {
  if (!link_untold_ || !can_take_control()) return;
  link_untold_ = false;
  const auto message = control_.indicate_link(control_.is_link_up());
  answers_.emplace_back(message.begin(), message.end());
  send_answers();
}

// --- channels ------------------------------------------------------------------------------------

vmbus::OfferDescription Adapter::offer() const {
  vmbus::OfferDescription offer;
  offer.type = kNetworkDeviceType;
  offer.instance = options_.instance;
  offer.max_sub_channels = options_.max_sub_channels;
  return offer;
}

Result<void> Adapter::open(vmbus::Channel& channel) {
  const uint16_t index = channel.sub_channel_index();
  if (index >= kMaxChannels || (index > 0 && state_ != State::kReady)) {
    return fail(ErrorKind::kInvalidArgument, "a sub-channel opens before the handshake is done");
  }
  channels_.push_back(std::make_unique<NetChannel>(*this, channel));
  channel.context = channels_.back().get();
  by_index_[index] = channels_.back().get();
  if (index == 0) reset();
  if (!armed_) channel.set_polling(true);
  return {};
}

void Adapter::doorbell(vmbus::Channel& channel) noexcept {
  static_cast<NetChannel*>(channel.context)->doorbell();
}

void Adapter::writable(vmbus::Channel& channel) noexcept {
  static_cast<NetChannel*>(channel.context)->writable();
}

void Adapter::close(vmbus::Channel& channel) noexcept {
  auto& closing = *static_cast<NetChannel*>(channel.context);
  by_index_[channel.sub_channel_index()] = nullptr;
  closing.return_sections();
  if (closing.is_primary()) reset();
  closing.close();
}

void Adapter::gpadl_torn_down(vmbus::Channel& channel, uint32_t handle) noexcept {
  static_cast<void>(channel);
  if (receive_buffer_ && handle == receive_gpadl_) drop_receive_buffer();
  if (handle == send_gpadl_) send_buffer_.reset();
}

void Adapter::forget(NetChannel& channel) noexcept {
  channel.channel().close_complete();
  std::erase_if(channels_, [&](const auto& one) { return one.get() == &channel; });
}

void Adapter::reset() noexcept {
  state_ = State::kStart;
  drop_receive_buffer();
  send_buffer_.reset();
  answers_.clear();
  link_untold_ = false;
  control_.reset();
}

void Adapter::drop_receive_buffer() noexcept {
  for (const auto& channel : channels_)
    channel->drop_packets();
  receive_buffer_.reset();
}

// --- NVSP ----------------------------------------------------------------------------------------

void Adapter::nvsp_message(NetChannel& channel, const Message& message, uint64_t transaction_id,
                           bool wants_answer) noexcept {
  Message answer{};
  const auto bad_state = [&] { statistics_.errors.count(GuestError::kBadState); };
  const bool agreed = channel.is_primary() && state_ != State::kStart;
  switch (message.type) {
    case message_type::kInit:
      if (channel.is_primary()) {
        answer = agree_version(body_of<Init>(message));
      } else {
        bad_state();
      }
      break;
    case message_type::kSendNdisConfig:
      agreed ? apply_config(body_of<NdisConfig>(message)) : bad_state();
      break;
    case message_type::kSendNdisVersion:
      if (!agreed) bad_state();
      break;
    case message_type::kSendReceiveBuffer:
      answer = take_receive_buffer(channel, body_of<SendBuffer>(message));
      break;
    case message_type::kSendSendBuffer:
      answer = take_send_buffer(channel, body_of<SendBuffer>(message));
      break;
    case message_type::kRevokeReceiveBuffer:
      agreed ? drop_receive_buffer() : bad_state();
      break;
    case message_type::kRevokeSendBuffer:
      if (agreed) send_buffer_.reset();
      break;
    case message_type::kSubChannel:
      answer = allocate_sub_channels(channel, body_of<SubChannelRequest>(message));
      break;
    case message_type::kSwitchDataPath:
      answer.type = message_type::kSwitchDataPath;  // there is one path only
      break;
    default:
      statistics_.errors.count(GuestError::kUnknownMessage);
      break;
  }
  if (wants_answer) {
    // A guest that fills its own ring before it has a device waits for itself.
    channel.channel().try_complete(transaction_id, wire_bytes(answer));
    channel.channel().flush_soon();
  }
}

Message Adapter::agree_version(const Init& init) noexcept {
  InitComplete complete{};
  complete.max_mdl_chain_length = kMaxMdlChain;
  complete.status = status::kProtocolUnsupported;
  for (const uint32_t version : kVersions) {
    if (version < init.min_version || version > init.max_version) continue;
    reset();
    state_ = State::kVersionAgreed;
    version_ = version;
    rsc_capable_ = false;
    complete.version = version;
    complete.status = status::kSuccess;
    break;
  }
  if (complete.status.get() != status::kSuccess) statistics_.errors.count(GuestError::kBadVersion);
  return make_message(message_type::kInitComplete, complete);
}

void Adapter::apply_config(const NdisConfig& config) noexcept {
  constexpr uint32_t kHeader = vswitch::kEthernetHeaderBytes;
  const uint32_t most = options_.identity.max_mtu + kHeader;
  frame_bytes_ = std::clamp<uint32_t>(config.mtu, kHeader + 68, most);
  control_.set_mtu(static_cast<uint16_t>(frame_bytes_ - kHeader));
  rsc_capable_ = version_ >= kVersion61 && (config.capabilities & kCapabilityRsc) != 0;
  control_.set_rsc_allowed(rsc_capable_);
}

Message Adapter::take_receive_buffer(NetChannel& channel, const SendBuffer& buffer) noexcept {
  ReceiveBufferComplete complete{};
  complete.status = status::kFailure;
  const vmbus::Gpadl* gpadl = channel.channel().find_gpadl(buffer.gpadl);
  const uint32_t wanted = frame_bytes_ + kVlanTagBytes + kReceiveHeaderBytes;
  const uint32_t section = (wanted + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
  if (!channel.is_primary() || state_ == State::kStart || receive_buffer_) {
    statistics_.errors.count(GuestError::kBadState);
  } else if (gpadl != nullptr) {
    receive_buffer_ = ReceiveBuffer::map(channel.channel().memory(), *gpadl, section);
  }
  if (receive_buffer_ && gpadl != nullptr) {
    receive_gpadl_ = buffer.gpadl;
    receive_buffer_id_ = buffer.id;
    complete.status = status::kSuccess;
    complete.section_count = 1;
    complete.piece_bytes = section;
    complete.piece_count = receive_buffer_->section_count();
    complete.end_offset = receive_buffer_->section_count() * section;
  } else {
    statistics_.errors.count(GuestError::kBadBuffer);
  }
  return make_message(message_type::kSendReceiveBufferComplete, complete);
}

Message Adapter::take_send_buffer(NetChannel& channel, const SendBuffer& buffer) noexcept {
  SendBufferComplete complete{};
  complete.status = status::kFailure;
  const vmbus::Gpadl* gpadl = channel.channel().find_gpadl(buffer.gpadl);
  auto sections =
      gpadl == nullptr ? std::nullopt : SendSections::map(channel.channel().memory(), *gpadl);
  if (channel.is_primary() && receive_buffer_ && sections) {
    send_buffer_ = std::move(sections);
    send_gpadl_ = buffer.gpadl;
    state_ = State::kReady;
    complete.status = status::kSuccess;
    complete.section_bytes = kSendSectionBytes;
  } else {
    statistics_.errors.count(GuestError::kBadBuffer);
  }
  return make_message(message_type::kSendSendBufferComplete, complete);
}

Message Adapter::allocate_sub_channels(NetChannel& channel,
                                       const SubChannelRequest& request) noexcept {
  SubChannelComplete complete{};
  complete.status = status::kFailure;
  if (!channel.is_primary() || state_ != State::kReady ||
      request.operation.get() != kAllocateSubChannels) {
    statistics_.errors.count(GuestError::kBadState);
  } else {
    const auto count = std::min<uint32_t>(request.count, options_.max_sub_channels);
    complete.status = status::kSuccess;
    complete.count = channel.channel().offer_sub_channels(static_cast<uint16_t>(count));
  }
  return make_message(message_type::kSubChannel, complete);
}

// --- RNDIS control -------------------------------------------------------------------------------

void Adapter::rndis_control(std::span<const std::byte> message) noexcept {
  if (state_ != State::kReady) return statistics_.errors.count(GuestError::kBadState);
  const auto answer = control_.handle(message);
  if (answer.empty()) return;
  answers_.emplace_back(answer.begin(), answer.end());
  send_answers();
}

void Adapter::send_answers() noexcept {
  NetChannel* primary = by_index_[0];
  size_t sent = 0;
  while (primary != nullptr && sent < answers_.size() && primary->send_control(answers_[sent]))
    ++sent;
  const bool was_full = !can_take_control();
  answers_.erase(answers_.begin(), answers_.begin() + static_cast<ptrdiff_t>(sent));
  if (was_full && can_take_control() && primary != nullptr) primary->channel().resume();
  tell_link();
}

// --- the switch's side ---------------------------------------------------------------------------

vswitch::PortFeatures Adapter::features() const noexcept {
  const Offloads& offloads = control_.offloads();
  const bool rsc = offloads.rsc_ipv4 && offloads.rsc_ipv6;
  // Without RSC a guest may send on what it receives, so a checksum that was not made would leave
  // it. DHCP clients read frames beside the guest's network stack and look at UDP's checksum, which
  // here nothing could tell them to leave.
  return {.checksum = rsc,
          .segmentation = rsc,
          .mtu = static_cast<uint16_t>(frame_bytes_ - vswitch::kEthernetHeaderBytes),
          .udp_checksum = false};
}

uint16_t Adapter::receive(std::span<rte_mbuf*> frames) noexcept {
  uint16_t count = 0;
  for (uint16_t i = 0; i < kMaxChannels && count < frames.size(); ++i) {
    NetChannel* channel = by_index_[(next_receive_ + i) % kMaxChannels];
    if (channel == nullptr) continue;
    count = static_cast<uint16_t>(count + channel->receive(frames.subspan(count)));
  }
  next_receive_ = static_cast<uint16_t>((next_receive_ + 1) % kMaxChannels);
  return count;
}

NetChannel* Adapter::choose(const rte_mbuf& frame, uint32_t& hash, bool& hashed) const noexcept {
  const Scaling& scaling = control_.scaling();
  if (!scaling.enabled) return by_index_[0];
  const auto value = flow_hash(frame, scaling.key);
  hashed = value.has_value();
  if (!hashed) return by_index_[0];
  hash = *value;
  NetChannel* channel = by_index_[scaling.table[hash % kHashTableEntries]];
  return channel != nullptr ? channel : by_index_[0];
}

uint16_t Adapter::transmit(std::span<rte_mbuf* const> frames) noexcept {
  uint16_t taken = 0;
  for (const rte_mbuf* frame : frames) {
    if (!receive_buffer_ || !control_.accepts(rte_pktmbuf_mtod(frame, const uint8_t*))) {
      statistics_.filtered.add();
    } else {
      uint32_t hash = 0;
      bool hashed = false;
      NetChannel* channel = choose(*frame, hash, hashed);
      if (channel == nullptr || !channel->deliver(*frame, hash, hashed)) break;
    }
    ++taken;
  }
  return taken;
}

void Adapter::flush() noexcept {
  for (NetChannel* channel : by_index_) {
    if (channel != nullptr) channel->publish();
  }
}

bool Adapter::arm() noexcept {
  armed_ = true;
  bool quiet = true;
  for (NetChannel* channel : by_index_) {
    if (channel != nullptr) quiet = channel->arm() && quiet;
  }
  return quiet;
}

void Adapter::disarm() noexcept {
  armed_ = false;
  for (NetChannel* channel : by_index_) {
    if (channel != nullptr) channel->disarm();
  }
}

}  // namespace viridian::netvsp
