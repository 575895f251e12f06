#include "tests/fakes/fake_storvsc.h"

#include <algorithm>

namespace viridian::storvsp {
namespace {

constexpr uint64_t kInitTransaction = ~uint64_t{0} - 2;  // VMBUS_RQST_INIT

}  // namespace

std::optional<ChannelProperties> FakeStorvsc::initialize(uint16_t version) {
  const auto is_good = [](const std::optional<VstorPacket>& answer) {
    return answer && answer->operation.get() == operation::kCompleteIo &&
           answer->status.get() == packet_status::kSuccess;
  };
  const ProtocolVersion wanted = {version, uint16_t{0}};
  if (!is_good(control(operation::kBeginInitialization))) return std::nullopt;
  if (!is_good(control(operation::kQueryProtocolVersion, wire_bytes(wanted)))) return std::nullopt;
  const auto properties = control(operation::kQueryProperties);
  if (!is_good(properties)) return std::nullopt;
  if (!is_good(control(operation::kEndInitialization))) return std::nullopt;
  return read_wire<ChannelProperties>(std::as_bytes(std::span(properties->payload)));
}

std::optional<VstorPacket> FakeStorvsc::control(uint32_t operation,
                                                std::span<const std::byte> payload) {
  VstorPacket packet{};
  packet.operation = operation;
  packet.flags = 1u;
  std::copy(payload.begin(), payload.end(),
            std::as_writable_bytes(std::span(packet.payload)).begin());
  channel_->send(kInitTransaction, wire_bytes(packet));
  if (!guest_.has_own_thread()) guest_.settle();
  auto answer = receive();
  while (!answer && guest_.has_own_thread()) {
    const uint64_t seen = guest_.interrupts();
    guest_.take_event(0, channel_->relid());
    answer = receive();
    if (!answer) guest_.wait_interrupt(seen);
  }
  if (!answer || answer->transaction_id != kInitTransaction) return std::nullopt;
  return answer->plain();
}

SrbPacket FakeStorvsc::srb(uint8_t lun, std::initializer_list<uint8_t> cdb, uint32_t data_length) {
  SrbPacket packet{};
  packet.operation = operation::kExecuteSrb;
  packet.flags = 1u;
  packet.srb.length = uint16_t{sizeof(Srb)};
  packet.srb.lun = lun;
  packet.srb.cdb_length = static_cast<uint8_t>(cdb.size());
  packet.srb.sense_length = kSrbSenseBytes;
  packet.srb.data_length = data_length;
  std::copy(cdb.begin(), cdb.end(), packet.srb.cdb_or_sense.begin());
  return packet;
}

bool FakeStorvsc::send(uint64_t transaction_id, const SrbPacket& packet,
                       std::span<const uint64_t> pfns, uint32_t offset) {
  return send(transaction_id, packet, pfns, offset, packet.srb.data_length);
}

bool FakeStorvsc::send(uint64_t transaction_id, const SrbPacket& packet,
                       std::span<const uint64_t> pfns, uint32_t offset, uint32_t byte_count) {
  if (pfns.empty()) return channel_->send(transaction_id, wire_bytes(packet));
  return channel_->send_gpa_direct(transaction_id, offset, byte_count, pfns, wire_bytes(packet));
}

std::optional<StorAnswer> FakeStorvsc::receive() {
  const vmbus::GuestPacket* packet = channel_->receive_one();
  if (packet == nullptr) return std::nullopt;
  const auto answer = read_wire<SrbPacket>(packet->payload);
  if (!answer) return std::nullopt;
  return StorAnswer{packet->descriptor.transaction_id, *answer};
}

}  // namespace viridian::storvsp
