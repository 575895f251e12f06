#include "netvsp/control.h"

#include <algorithm>
#include <cstring>

namespace viridian::netvsp {
namespace {

constexpr uint32_t kMaxTransferBytes = 0x20000;
constexpr uint32_t kPacketAlignmentLog2 = 3;
// Where the information of an answer to a query begins.
constexpr size_t kInfoAt = sizeof(RndisHeader) + sizeof(QueryComplete);

}  // namespace

Control::Control(const ControlIdentity& identity, Statistics& statistics)
    : identity_(identity),
      statistics_(statistics),
      mtu_(std::min<uint16_t>(identity.max_mtu, 1500)),
      mac_(identity.mac) {}

void Control::reset() noexcept {
  initialized_ = false;
  filter_ = 0;
  mac_ = identity_.mac;
  offloads_ = {};
  scaling_ = {};
}

bool Control::accepts(const uint8_t* destination) const noexcept {
  if ((filter_ & packet_filter::kPromiscuous) != 0) return true;
  if ((destination[0] & 1) == 0) {
    return (filter_ & packet_filter::kDirected) != 0 &&
           std::memcmp(destination, mac_.data(), mac_.size()) == 0;
  }
  static constexpr MacAddress kBroadcast = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  if (std::memcmp(destination, kBroadcast.data(), kBroadcast.size()) == 0) {
    return (filter_ & packet_filter::kBroadcast) != 0;
  }
  // No guest of VMBus sets a list of groups: kMulticast alone means all of them.
  return (filter_ & (packet_filter::kAllMulticast | packet_filter::kMulticast)) != 0;
}

template <WireStruct Body>
std::span<const std::byte> Control::finish(uint32_t type, const Body& body,
                                           size_t info_bytes) noexcept {
  const size_t length = sizeof(RndisHeader) + sizeof(Body) + info_bytes;
  RndisHeader header;
  header.type = type;
  header.length = static_cast<uint32_t>(length);
  write_wire(std::span(answer_), header);
  write_wire(std::span(answer_), body, sizeof(header));
  return std::span(answer_).first(length);
}

std::span<const std::byte> Control::handle(std::span<const std::byte> message) noexcept {
  const auto header = read_wire<RndisHeader>(message);
  if (!header || header->length < sizeof(RndisHeader) || header->length > message.size()) {
    statistics_.errors.count(GuestError::kBadRndis);
    return {};
  }
  const auto body = message.first(header->length).subspan(sizeof(RndisHeader));
  const auto id = read_wire<le32>(body);
  switch (header->type) {
    case rndis_type::kInitialize:
      return initialize(body);
    case rndis_type::kQuery:
      return query(body);
    case rndis_type::kSet:
      return set(body);
    case rndis_type::kHalt:
      reset();
      return {};
    case rndis_type::kReset:
      filter_ = 0;
      return finish(rndis_type::kReset | rndis_type::kCompletion,
                    ResetComplete{rndis_status::kSuccess, 1}, 0);
    case rndis_type::kKeepAlive:
      return finish(rndis_type::kKeepAlive | rndis_type::kCompletion,
                    SimpleComplete{id.value_or(0), rndis_status::kSuccess}, 0);
    default:
      statistics_.errors.count(GuestError::kUnknownControl);
      return {};
  }
}

std::span<const std::byte> Control::indicate_link(bool up) noexcept {
  IndicateStatus status{};
  status.status = up ? rndis_status::kMediaConnect : rndis_status::kMediaDisconnect;
  return finish(rndis_type::kIndicateStatus, status, 0);
}

std::span<const std::byte> Control::initialize(std::span<const std::byte> body) noexcept {
  const auto request = read_wire<InitializeRequest>(body);
  if (!request) {
    statistics_.errors.count(GuestError::kBadRndis);
    return {};
  }
  reset();
  initialized_ = true;
  InitializeComplete complete{};
  complete.id = request->id;
  complete.status = rndis_status::kSuccess;
  complete.major_version = 1;
  complete.device_flags = kConnectionless;
  complete.max_packets_per_message = kMaxFramesPerSend;
  complete.max_transfer_bytes = kMaxTransferBytes;
  complete.packet_alignment_log2 = kPacketAlignmentLog2;
  return finish(rndis_type::kInitialize | rndis_type::kCompletion, complete, 0);
}

std::span<const std::byte> Control::query(std::span<const std::byte> body) noexcept {
  const auto request = read_wire<OidRequest>(body);
  if (!request) {
    statistics_.errors.count(GuestError::kBadRndis);
    return {};
  }
  QueryComplete complete{};
  complete.id = request->id;
  complete.offset = sizeof(QueryComplete);
  const uint32_t length = request->length;
  const uint32_t offset = request->offset;
  size_t filled = 0;
  if (length > 0 && (offset > body.size() || length > body.size() - offset)) {
    statistics_.errors.count(GuestError::kBadRndis);
    complete.status = rndis_status::kInvalidData;
  } else {
    const auto info = length > 0 ? body.subspan(offset, length) : std::span<const std::byte>();
    const auto answered = answer_query(request->oid, info, std::span(answer_).subspan(kInfoAt));
    if (!answered) statistics_.errors.count(GuestError::kUnknownControl);
    complete.status = answered ? rndis_status::kSuccess : rndis_status::kNotSupported;
    filled = answered.value_or(0);
  }
  complete.length = static_cast<uint32_t>(filled);
  if (filled == 0) complete.offset = 0;
  return finish(rndis_type::kQuery | rndis_type::kCompletion, complete, filled);
}

std::span<const std::byte> Control::set(std::span<const std::byte> body) noexcept {
  const auto request = read_wire<OidRequest>(body);
  if (!request) {
    statistics_.errors.count(GuestError::kBadRndis);
    return {};
  }
  SimpleComplete complete{};
  complete.id = request->id;
  const uint32_t length = request->length;
  const uint32_t offset = request->offset;
  if (offset > body.size() || length > body.size() - offset) {
    complete.status = rndis_status::kInvalidData;
  } else {
    complete.status = apply_set(request->oid, body.subspan(offset, length));
  }
  if (complete.status.get() == rndis_status::kNotSupported) {
    statistics_.errors.count(GuestError::kUnknownControl);
  } else if (complete.status.get() != rndis_status::kSuccess) {
    statistics_.errors.count(GuestError::kBadRndis);
  }
  return finish(rndis_type::kSet | rndis_type::kCompletion, complete, 0);
}

}  // namespace viridian::netvsp
