#include "vmbus/channel.h"

#include "base/checked.h"
#include "vmbus/device.h"
#include "vmbus/server_core.h"

namespace viridian::vmbus {
namespace {

// The header of an outgoing packet whose payload begins behind `header_bytes`.
PacketDescriptor describe(uint16_t type, uint64_t transaction_id, size_t header_bytes,
                          size_t payload_bytes, bool completion_requested) {
  const size_t length = align_up<size_t>(header_bytes + payload_bytes, 8);
  PacketDescriptor descriptor;
  descriptor.type = type;
  descriptor.offset8 = static_cast<uint16_t>(header_bytes / 8);
  descriptor.len8 = static_cast<uint16_t>(length / 8);
  descriptor.flags = completion_requested ? kPacketFlagCompletionRequested : uint16_t{0};
  descriptor.transaction_id = transaction_id;
  return descriptor;
}

}  // namespace

Channel::Channel(ServerCore& server, uint32_t relid, uint16_t sub_channel_index)
    : server_(server),
      relid_(relid),
      sub_channel_index_(sub_channel_index),
      turn_soon_(*this,
                 [](io::Completion& completion) noexcept {
                   auto& self = static_cast<Deferred&>(completion);
                   self.queued = false;
                   self.channel.turn();
                 }),
      flush_soon_(*this,
                  [](io::Completion& completion) noexcept {
                    auto& self = static_cast<Deferred&>(completion);
                    self.queued = false;
                    self.channel.flush();
                  }),
      finish_close_(*this, [](io::Completion& completion) noexcept {
        auto& self = static_cast<Deferred&>(completion);
        self.queued = false;
        self.channel.server_.close_finished(self.channel);
      }) {}

Channel::~Channel() = default;

// --- the server's side ---------------------------------------------------------------------------

Result<void> Channel::create_doorbell() {
  auto source = io::EventSource::create(
      server_.reactor(), [](void* self) noexcept { static_cast<Channel*>(self)->turn(); }, this);
  if (!source) return Unexpected(source.error());
  doorbell_ = std::move(*source);
  return {};
}

void Channel::start(IncomingRing in, OutgoingRing out) {
  buffer_.resize(kMaxPacketBytes);
  ranges_.reserve(kMaxPacketRanges);
  in_.emplace(std::move(in));
  out_.emplace(std::move(out));
  faulted_ = fault_told_ = false;
  polling_ = blocked_ = false;
  packet_length_ = 0;
  share_ = kPacketsPerTurn;
  context = nullptr;
  live_ = true;
  state_ = State::kOpen;
  doorbell_->start();
}

void Channel::begin_close() noexcept {
  doorbell_->stop();
  live_ = false;
  packet_length_ = 0;
  state_ = State::kClosing;
  in_.reset();
  out_.reset();
}

bool Channel::is_idle() const noexcept {
  return doorbell_->stopped() && !turn_soon_.queued && !flush_soon_.queued && !finish_close_.queued;
}

void Channel::defer(Deferred& deferred) noexcept {
  if (deferred.queued) return;
  deferred.queued = true;
  server_.reactor().defer(deferred);
}

void Channel::turn() noexcept {
  if (state_ != State::kOpen) return;
  if (live_) {
    in_->mask();
    drained_ = false;
    share_ = kPacketsPerTurn;
    if (blocked_ && out_->has_space(blocked_length_)) {
      out_->cancel_space_request();
      blocked_ = false;
      device_->writable(*this);
    }
    device_->doorbell(*this);
    flush();
  }
  if (live_ && drained_ && !polling_ && packet_length_ == 0 && in_->unmask()) defer(turn_soon_);
  if (faulted_ && !fault_told_) {
    fault_told_ = true;
    device_->faulted(*this);
  }
}

void Channel::fault() noexcept {
  if (!live_) return;
  live_ = false;
  faulted_ = true;
  packet_length_ = 0;
  server_.errors().count(ServerError::kRingFault);
  defer(turn_soon_);  // tells the device
}

void Channel::close_complete() noexcept {
  if (state_ == State::kClosing) defer(finish_close_);
}

// --- receiving -----------------------------------------------------------------------------------

const Packet* Channel::peek() noexcept {
  if (packet_length_ > 0) return &packet_;
  if (!live_) return nullptr;
  if (share_ == 0) {
    drained_ = false;
    defer(turn_soon_);
    return nullptr;
  }
  switch (in_->read(buffer_, packet_length_)) {
    case RingState::kReady:
      drained_ = false;
      --share_;
      if (parse(packet_length_)) return &packet_;
      fault();
      return nullptr;
    case RingState::kEmpty:
      drained_ = true;
      return nullptr;
    default:
      fault();
      return nullptr;
  }
}

void Channel::consume() noexcept {
  if (packet_length_ == 0) return;  // the channel ended between peek() and here
  in_->skip(packet_length_);
  packet_length_ = 0;
}

bool Channel::parse(uint32_t length) noexcept {
  const auto bytes = std::span<const std::byte>(buffer_).first(length);
  const PacketDescriptor descriptor = *read_wire<PacketDescriptor>(bytes);
  const size_t payload_offset = descriptor.offset8 * size_t{8};  // checked by IncomingRing::read()
  packet_.type = descriptor.type;
  packet_.completion_requested = (descriptor.flags & kPacketFlagCompletionRequested) != 0;
  packet_.transaction_id = descriptor.transaction_id;
  packet_.payload = bytes.subspan(payload_offset);
  ranges_.clear();
  packet_.ranges_bytes = 0;
  if (packet_.type == packet_type::kDataUsingGpaDirect &&
      !parse_ranges(bytes.subspan(sizeof(descriptor), payload_offset - sizeof(descriptor)))) {
    return false;
  }
  packet_.ranges = ranges_;
  return true;
}

bool Channel::parse_ranges(std::span<const std::byte> bytes) noexcept {
  const auto header = read_wire<GpaDirectHeader>(bytes);
  if (!header) return false;
  bytes = bytes.subspan(sizeof(GpaDirectHeader));
  // Each range takes bytes of the packet, so their count needs no other bound.
  for (uint32_t left = header->range_count; left > 0; --left) {
    const auto range = read_wire<GpaRangeHeader>(bytes);
    if (!range || range->byte_count.get() == 0 || range->byte_offset >= kPageBytes) return false;
    const uint64_t end = uint64_t{range->byte_count} + range->byte_offset;
    const uint64_t pfn_bytes = div_ceil<uint64_t>(end, kPageBytes) * sizeof(le64);
    bytes = bytes.subspan(sizeof(GpaRangeHeader));
    if (pfn_bytes > bytes.size() || !parse_range(*range, bytes.first(pfn_bytes))) return false;
    bytes = bytes.subspan(pfn_bytes);
  }
  return true;
}

bool Channel::parse_range(const GpaRangeHeader& header, std::span<const std::byte> pfns) noexcept {
  uint32_t offset = header.byte_offset;
  uint32_t left = header.byte_count;
  packet_.ranges_bytes += left;
  for (size_t at = 0; at < pfns.size(); at += sizeof(le64)) {
    const auto page = checked_mul<uint64_t>(*read_wire<le64>(pfns, at), kPageBytes);
    if (!page) return false;
    const uint32_t count = std::min(left, kPageBytes - offset);
    const uint64_t base = *page + offset;
    if (!ranges_.empty() && to_u64(ranges_.back().base) + ranges_.back().length == base) {
      ranges_.back().length += count;  // at most kMaxPacketBytes / 8 pages in all: cannot wrap
    } else {
      if (ranges_.size() == kMaxPacketRanges) return false;
      ranges_.push_back({Gpa{base}, count});
    }
    left -= count;
    offset = 0;
  }
  return true;
}

void Channel::resume() noexcept {
  if (state_ == State::kOpen) defer(turn_soon_);
}

void Channel::set_polling(bool polling) noexcept {
  if (polling_ == polling) return;
  polling_ = polling;
  if (!live_) return;
  if (polling) {
    in_->mask();
  } else if (!drained_ || packet_length_ > 0 || in_->unmask()) {
    resume();
  }
}

// --- sending -------------------------------------------------------------------------------------

bool Channel::try_write(std::span<const std::span<const std::byte>> parts,
                        uint32_t length) noexcept {
  if (!live_) return true;
  RingState state = out_->write(parts);
  if (state == RingState::kFull) {
    // Nothing frees space unless the guest knows of the packets that take it.
    flush();
    if (!live_) return true;
    if (length <= out_->max_length()) {
      blocked_ = !out_->request_space(length);
      blocked_length_ = length;
      if (blocked_) return false;
      state = out_->write(parts);
    }
  }
  if (state != RingState::kReady) fault();
  return true;
}

bool Channel::try_complete(uint64_t transaction_id, std::span<const std::byte> payload) noexcept {
  const PacketDescriptor descriptor = describe(packet_type::kCompletion, transaction_id,
                                               sizeof(PacketDescriptor), payload.size(), false);
  const std::array parts = {wire_bytes(descriptor), payload};
  return try_write(parts, descriptor.len8 * 8u);
}

bool Channel::try_send(uint64_t transaction_id, std::span<const std::byte> payload,
                       bool completion_requested) noexcept {
  const PacketDescriptor descriptor =
      describe(packet_type::kDataInBand, transaction_id, sizeof(PacketDescriptor), payload.size(),
               completion_requested);
  const std::array parts = {wire_bytes(descriptor), payload};
  return try_write(parts, descriptor.len8 * 8u);
}

bool Channel::try_send_transfer_pages(uint64_t transaction_id, uint16_t set_id,
                                      std::span<const TransferRange> ranges,
                                      std::span<const std::byte> payload) noexcept {
  struct Header {
    PacketDescriptor descriptor;
    TransferPagesHeader pages;
  } header;
  static_assert(sizeof(Header) == sizeof(PacketDescriptor) + sizeof(TransferPagesHeader));
  header.descriptor = describe(packet_type::kDataUsingTransferPages, transaction_id,
                               sizeof(Header) + ranges.size_bytes(), payload.size(), true);
  header.pages = {set_id, 0, 0, static_cast<uint32_t>(ranges.size())};
  const std::array parts = {wire_bytes(header), std::as_bytes(ranges), payload};
  return try_write(parts, header.descriptor.len8 * 8u);
}

void Channel::flush() noexcept {
  if (!live_) return;
  const bool frees = in_->publish();
  const bool wakes = out_->publish();
  if (frees || wakes) server_.host().signal_event(target_vp_, relid_);
}

void Channel::flush_soon() noexcept { defer(flush_soon_); }

// --- the rest ------------------------------------------------------------------------------------

uint16_t Channel::offer_sub_channels(uint16_t count) noexcept {
  if (state_ != State::kOpen) return 0;
  flush();
  return server_.offer_sub_channels(*this, count);
}

const Gpadl* Channel::find_gpadl(uint32_t handle) const noexcept {
  return server_.gpadls().find(relid_, handle);
}

uint32_t Channel::protocol_version() const noexcept { return server_.version(); }
const GuestMemory& Channel::memory() const noexcept { return server_.memory(); }
io::Reactor& Channel::reactor() const noexcept { return server_.reactor(); }

}  // namespace viridian::vmbus
