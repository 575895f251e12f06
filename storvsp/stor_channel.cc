#include "storvsp/stor_channel.h"

#include <algorithm>
#include <cstring>

#include "storvsp/storvsp.h"
#include "vmbus/ring_protocol.h"

namespace viridian::storvsp {

StorChannel::StorChannel(Controller& owner, vmbus::Channel& channel)
    : owner_(owner),
      channel_(channel),
      reactor_(channel.reactor()),
      slots_(std::make_unique<Slot[]>(kRequestsPerChannel)),  // set-up
      // Left uninitialized: pages that no request needs are never touched.
      parts_(new iovec[kRequestsPerChannel * kMaxTransferPages]) {  // set-up
  free_.reserve(kRequestsPerChannel);
  unsent_.reserve(kRequestsPerChannel);
  for (size_t i = kRequestsPerChannel; i-- > 0;) {
    Slot& slot = slots_[i];
    slot.owner = this;
    slot.parts = parts_.get() + i * kMaxTransferPages;
    slot.ended = [](ScsiRequest& request) noexcept {
      auto& self = static_cast<Slot&>(request);
      self.owner->ended(self);
    };
    free_.push_back(&slot);
  }
}

StorChannel::~StorChannel() { stop_polling(); }

// --- taking packets ------------------------------------------------------------------------------

void StorChannel::doorbell() noexcept {
  owner_.statistics_.wakes.add();
  const unsigned count = take_packets();
  if (count >= kBusyBatch) start_polling();
  update_doorbell();
}

bool StorChannel::poll() noexcept {
  const unsigned count = take_packets();
  owner_.statistics_.polled.add(count);
  if (count > 0) {
    empty_polls_ = 0;
    channel_.flush();
  } else if (++empty_polls_ >= kEmptyPolls) {
    stop_polling();
    update_doorbell();
  }
  return true;
}

unsigned StorChannel::take_packets() noexcept {
  unsigned count = 0;
  while (unsent_.empty()) {
    if (free_.empty()) {
      if (!starved_) owner_.statistics_.pool_empty.add();
      starved_ = true;
      break;
    }
    const vmbus::Packet* packet = channel_.peek();
    if (packet == nullptr) break;
    take(*packet);
    channel_.consume();
    ++count;
  }
  return count;
}

void StorChannel::take(const vmbus::Packet& packet) noexcept {
  GuestErrors<GuestError>& errors = owner_.statistics_.errors;
  if (packet.type != vmbus::packet_type::kDataInBand &&
      packet.type != vmbus::packet_type::kDataUsingGpaDirect) {
    return errors.count(GuestError::kUnknownPacket);
  }
  if (!packet.completion_requested) return errors.count(GuestError::kNoCompletion);
  Slot& slot = *free_.back();
  free_.pop_back();
  slot.transaction_id = packet.transaction_id;
  if (packet.payload.size() < sizeof(slot.packet)) {
    errors.count(GuestError::kShortPacket);
    slot.packet = {};
    slot.packet.status = packet_status::kInvalidParameter;
    return answer(slot);
  }
  slot.packet = *read_wire<SrbPacket>(packet.payload);
  if (slot.packet.operation.get() == operation::kExecuteSrb) return execute(slot, packet);
  auto control = *read_wire<VstorPacket>(wire_bytes(slot.packet));
  control.status = owner_.control(*this, control);
  slot.packet = *read_wire<SrbPacket>(wire_bytes(control));
  answer(slot);
}

void StorChannel::execute(Slot& slot, const vmbus::Packet& packet) noexcept {
  owner_.statistics_.requests.add();
  slot.packet.status = packet_status::kSuccess;
  if (!prepare(slot, packet)) return refuse(slot, srb_status::kInvalidRequest);
  const Srb& srb = slot.packet.srb;
  LunMap& luns = owner_.luns_;
  slot.lun = owner_.find(srb);
  const bool is_report = slot.cdb[0] == opcode::kReportLuns;
  const bool is_inquiry = slot.cdb[0] == opcode::kInquiry;
  if (slot.lun == nullptr && !is_report && !is_inquiry) {
    return refuse(slot, srb_status::kInvalidLun);
  }
  ++in_flight_;
  if (slot.lun != nullptr) luns.begin(*slot.lun);
  if (is_report) {
    luns.report(slot, owner_.is_here(srb));
  } else if (slot.lun == nullptr) {
    luns.inquire_absent(slot);
  } else {
    slot.lun->unit->execute(slot);
  }
}

// Checks an SRB and makes its command and its data ready for a unit.
bool StorChannel::prepare(Slot& slot, const vmbus::Packet& packet) noexcept {
  GuestErrors<GuestError>& errors = owner_.statistics_.errors;
  const Srb& srb = slot.packet.srb;
  const auto wrong = [&](GuestError why) {
    errors.count(why);
    return false;
  };
  if (!owner_.handshake_.is_ready()) return wrong(GuestError::kBadState);
  const uint8_t needed = cdb_length(srb.cdb_or_sense[0]);
  if (srb.cdb_length == 0 || srb.cdb_length > kMaxCdbLength || srb.cdb_length < needed) {
    return wrong(GuestError::kBadCdbLength);
  }
  slot.op = io::IoOp::kFlush;  // until a unit says what it moves
  std::memcpy(slot.cdb.data(), srb.cdb_or_sense.data(), slot.cdb.size());

  const uint32_t length = srb.data_length;
  if (length > packet.ranges_bytes || length > kMaxTransferBytes) {
    return wrong(GuestError::kBadDataLength);
  }
  const auto count = channel_.memory().gather(packet.ranges, {slot.parts, kMaxTransferPages});
  if (!count) return wrong(GuestError::kBadMemory);
  slot.buffer = {slot.parts, *count};
  slot.buffer_length = static_cast<uint32_t>(packet.ranges_bytes);
  return trim_buffer(slot, length);
}

// --- answering -----------------------------------------------------------------------------------

void StorChannel::ended(Slot& slot) noexcept {
  --in_flight_;
  if (slot.lun != nullptr) owner_.luns_.end(*slot.lun);
  if (closing_) {
    if (in_flight_ == 0) owner_.forget(*this);  // this object is gone after it
    return;
  }
  fill_answer(slot);
  answer(slot);
  const bool looks = starved_ || (in_flight_ >= kPollingDepth && !polling_);
  if (looks) {
    starved_ = false;
    channel_.resume();  // looks for packets in the next round, and flushes
  } else {
    channel_.flush_soon();
  }
  update_doorbell();
}

// storvsc_drv.c: Linux takes the sense data only with both CHECK CONDITION and the autosense flag,
// and data_length as the bytes moved only with SRB success.
void StorChannel::fill_answer(Slot& slot) noexcept {
  Srb& srb = slot.packet.srb;
  srb.scsi_status = slot.scsi_status;
  srb.data_length = slot.transferred;
  Statistics& statistics = owner_.statistics_;
  if (slot.scsi_status == scsi_status::kGood) {
    srb.srb_status = srb_status::kSuccess;
    srb.sense_length = 0;
    if (slot.op == io::IoOp::kRead) statistics.bytes_read.add(slot.transferred);
    if (slot.op == io::IoOp::kWrite) statistics.bytes_written.add(slot.transferred);
    return;
  }
  const FixedSense bytes = fixed_sense(slot.sense);
  srb.sense_length = std::min<uint8_t>(srb.sense_length, sizeof(bytes));
  srb.srb_status = srb_status::kError;
  if (srb.sense_length > 0) srb.srb_status |= srb_status::kAutosenseValid;
  srb.cdb_or_sense = {};
  std::memcpy(srb.cdb_or_sense.data(), &bytes, srb.sense_length);
}

void StorChannel::refuse(Slot& slot, uint8_t status) noexcept {
  Srb& srb = slot.packet.srb;
  srb.srb_status = status;
  srb.scsi_status = scsi_status::kGood;
  srb.sense_length = 0;
  srb.data_length = 0;
  answer(slot);
}

void StorChannel::answer(Slot& slot) noexcept {
  slot.packet.operation = operation::kCompleteIo;
  if (unsent_.empty() && send(slot)) return;
  if (unsent_.empty()) owner_.statistics_.ring_full.add();
  unsent_.push_back(&slot);
}

bool StorChannel::send(Slot& slot) noexcept {
  if (!channel_.try_complete(slot.transaction_id, wire_bytes(slot.packet))) return false;
  owner_.statistics_.completions.add();
  free_.push_back(&slot);
  return true;
}

void StorChannel::writable() noexcept {
  while (!unsent_.empty()) {
    Slot& slot = *unsent_.back();
    if (!send(slot)) return;
    unsent_.pop_back();
  }
  if (announce_) announce();
}

void StorChannel::announce() noexcept {
  VstorPacket packet{};
  packet.operation = operation::kEnumerateBus;
  announce_ = !channel_.try_send(0, wire_bytes(packet), false);
  channel_.flush_soon();
}

// --- doorbells and the end -----------------------------------------------------------------------

void StorChannel::start_polling() noexcept {
  empty_polls_ = 0;
  if (polling_) return;
  polling_ = true;
  reactor_.attach(*this);
}

void StorChannel::stop_polling() noexcept {
  if (!polling_) return;
  polling_ = false;
  reactor_.detach(*this);
}

void StorChannel::update_doorbell() noexcept {
  channel_.set_polling(polling_ || in_flight_ >= kPollingDepth);
}

void StorChannel::close() noexcept {
  closing_ = true;
  stop_polling();
  if (in_flight_ == 0) owner_.forget(*this);
}

}  // namespace viridian::storvsp
