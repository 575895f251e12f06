#include "storvsp/storvsp.h"

#include <algorithm>
#include <utility>

#include "storvsp/scsi_disk.h"
#include "storvsp/scsi_dvd.h"
#include "storvsp/stor_channel.h"
#include "vmbus/channel.h"

namespace viridian::storvsp {

Identity scsi_identity(uint32_t index, uint16_t max_sub_channels) {
  Identity identity;
  identity.offer.type = kScsiControllerType;
  identity.offer.instance = "00000000-7363-7369-8899-000000000000"_guid;
  write_wire(std::as_writable_bytes(std::span(identity.offer.instance.bytes)), le32(index));
  identity.offer.max_sub_channels = max_sub_channels;
  return identity;
}

// Linux takes the target number from the second group of the instance, Windows the drive's place
// from the user-defined bytes.
Identity ide_identity(uint8_t channel, uint8_t device) {
  Identity identity;
  identity.is_accelerator = true;
  identity.target = device;
  identity.offer.type = kIdeAcceleratorType;
  identity.offer.instance = "00000000-0000-8899-0000-000000000000"_guid;
  identity.offer.instance.bytes[0] = channel;
  identity.offer.instance.bytes[4] = device;
  OfferProperties properties{};
  properties.path = channel;
  properties.target = device;
  properties.flags = kOfferEmulatedIde;
  write_wire(std::as_writable_bytes(std::span(identity.offer.user_defined)), properties);
  return identity;
}

Controller::Controller(io::Reactor& reactor, const Identity& identity)
    : reactor_(reactor),
      identity_(identity),
      handshake_(identity.offer.max_sub_channels),
      luns_(reactor) {
  enumeration_.controller = this;
  enumeration_.run = [](io::Completion& completion) noexcept {
    auto& self = static_cast<Enumeration&>(completion);
    self.queued = false;
    Controller& controller = *self.controller;
    if (controller.primary_ != nullptr && controller.handshake_.is_ready()) {
      controller.primary_->announce();
    }
  };
}

Controller::~Controller() = default;

// --- units ---------------------------------------------------------------------------------------

Result<void> Controller::add_disk(uint32_t lun, io::BlockDevice& disk) {
  if (disk.info().sector_count == 0) {
    return fail(ErrorKind::kInvalidArgument, "LUN {}: a disk without sectors", lun);
  }
  return add(lun, std::make_unique<ScsiDisk>(reactor_, disk));
}

Result<void> Controller::add_dvd(uint32_t lun, io::BlockDevice& image) {
  return add(lun, std::make_unique<ScsiDvd>(reactor_, image));
}

Result<void> Controller::add(uint32_t lun, std::unique_ptr<LogicalUnit> unit) {
  if (identity_.is_accelerator && lun != 0) {
    return fail(ErrorKind::kInvalidArgument, "LUN {}: an IDE accelerator has only LUN 0", lun);
  }
  VIRIDIAN_TRY(luns_.add(lun, std::move(unit)));
  announce();
  return {};
}

Result<void> Controller::remove(uint32_t lun, io::Completion& done) {
  VIRIDIAN_TRY(luns_.remove(lun, done));
  announce();
  return {};
}

Result<void> Controller::resized(uint32_t lun) {
  Lun* found = luns_.find(lun);
  if (found == nullptr) return fail(ErrorKind::kInvalidArgument, "LUN {} has no disk", lun);
  found->unit->raise(sense::kCapacityChanged);
  announce();  // the guest tests all units then, and meets the attention
  return {};
}

// Once for all changes of a turn: Linux scans everything each time.
void Controller::announce() noexcept {
  if (enumeration_.queued) return;
  enumeration_.queued = true;
  reactor_.defer(enumeration_);
}

bool Controller::is_here(const Srb& srb) const noexcept {
  // The path of an accelerator is Linux's host number or Windows' channel number: any will do.
  return (identity_.is_accelerator || srb.path == 0) && srb.target == identity_.target;
}

Lun* Controller::find(const Srb& srb) noexcept {
  return is_here(srb) ? luns_.find(srb.lun) : nullptr;
}

// --- channels ------------------------------------------------------------------------------------

Result<void> Controller::open(vmbus::Channel& channel) {
  const bool is_primary = channel.sub_channel_index() == 0;
  if (!is_primary && !handshake_.is_ready()) {
    return fail(ErrorKind::kInvalidArgument, "a sub-channel opens before the handshake is done");
  }
  channels_.push_back(std::make_unique<StorChannel>(*this, channel));
  channel.context = channels_.back().get();
  if (is_primary) {
    primary_ = channels_.back().get();
    handshake_.reset();
  }
  return {};
}

void Controller::doorbell(vmbus::Channel& channel) noexcept {
  static_cast<StorChannel*>(channel.context)->doorbell();
}

void Controller::writable(vmbus::Channel& channel) noexcept {
  static_cast<StorChannel*>(channel.context)->writable();
}

void Controller::close(vmbus::Channel& channel) noexcept {
  auto& closing = *static_cast<StorChannel*>(channel.context);
  if (&closing == primary_) {
    primary_ = nullptr;
    handshake_.reset();
  }
  closing.close();
}

void Controller::forget(StorChannel& channel) noexcept {
  channel.channel().close_complete();
  std::erase_if(channels_, [&](const auto& one) { return one.get() == &channel; });
}

uint32_t Controller::control(StorChannel& channel, VstorPacket& packet) noexcept {
  switch (packet.operation) {
    case operation::kBeginInitialization:
    case operation::kQueryProtocolVersion:
    case operation::kQueryProperties:
    case operation::kEndInitialization:
      if (!channel.is_primary()) break;
      return handshake_.handle(packet, statistics_.errors);
    case operation::kCreateSubChannels: {
      if (!channel.is_primary() || !handshake_.is_ready()) break;
      const uint16_t count = *read_wire<le16>(std::as_bytes(std::span(packet.payload)));
      if (count == 0 || count > identity_.offer.max_sub_channels) {
        return packet_status::kInvalidParameter;
      }
      return channel.channel().offer_sub_channels(count) > 0 ? packet_status::kSuccess
                                                             : packet_status::kUnsuccessful;
    }
    case operation::kResetLun:
    case operation::kResetAdapter:
    case operation::kResetBus:
    case operation::kEnumerateBus:
      // Nothing is stuck here that a reset could free: the disks complete what they have taken.
      return packet_status::kSuccess;
    default:
      statistics_.errors.count(GuestError::kUnknownOperation);
      return packet_status::kNotSupported;
  }
  statistics_.errors.count(GuestError::kBadState);
  return packet_status::kInvalidDeviceState;
}

}  // namespace viridian::storvsp
