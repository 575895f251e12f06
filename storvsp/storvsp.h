// A storage controller behind VMBus: the storage service provider of the guest's hv_storvsc.
//
// Two forms. A SCSI controller has up to 255 units on path 0, target 0, and sub-channels. An IDE
// accelerator has one disk: the one that the emulated controller shows at the same channel and
// device, offered so that the guest leaves the emulation by itself.
// The reactor's thread only, but for statistics(). Channels: stor_channel.h; protocol:
// storvsp_protocol.h. Left out: Fibre Channel, protocol versions before 5.1, save and restore;
// the RESET operations are answered, but what is under way goes on to its end.
#pragma once

#include <memory>
#include <vector>

#include "storvsp/handshake.h"
#include "storvsp/lun_map.h"
#include "storvsp/statistics.h"
#include "storvsp/storvsp_protocol.h"
#include "vmbus/device.h"

namespace viridian::storvsp {

class StorChannel;

// Which controller a guest sees, and at which SCSI address its units answer.
struct Identity {
  vmbus::OfferDescription offer;
  bool is_accelerator = false;
  uint8_t target = 0;
};

// The `index`th SCSI controller of a guest. Linux asks for one sub-channel less than it has
// processors, at most `max_sub_channels`.
Identity scsi_identity(uint32_t index, uint16_t max_sub_channels);

// The accelerator of the IDE disk at `channel` (0, 1) and `device` (0, 1).
Identity ide_identity(uint8_t channel, uint8_t device);

class Controller final : public vmbus::Device {
 public:
  // `reactor` is the server's, and that of every disk.
  Controller(io::Reactor& reactor, const Identity& identity);
  ~Controller() override;  // REQUIRES: no channel is open

  // The disk outlives its place in the controller. While the guest is there it is told to look.
  Result<void> add_disk(uint32_t lun, io::BlockDevice& disk);
  Result<void> add_dvd(uint32_t lun, io::BlockDevice& image);

  // `done` runs when the controller does not touch the disk any more.
  Result<void> remove(uint32_t lun, io::Completion& done);

  // The disk says another size now.
  Result<void> resized(uint32_t lun);

  const Statistics& statistics() const noexcept { return statistics_; }

  // vmbus::Device
  vmbus::OfferDescription offer() const override { return identity_.offer; }
  Result<void> open(vmbus::Channel& channel) override;
  void doorbell(vmbus::Channel& channel) noexcept override;
  void writable(vmbus::Channel& channel) noexcept override;
  void close(vmbus::Channel& channel) noexcept override;

 private:
  friend class StorChannel;

  struct Enumeration : io::Completion {
    Controller* controller = nullptr;
    bool queued = false;
  };

  // For the channels.
  bool is_here(const Srb& srb) const noexcept;
  Lun* find(const Srb& srb) noexcept;
  uint32_t control(StorChannel& channel, VstorPacket& packet) noexcept;
  void forget(StorChannel& channel) noexcept;

  Result<void> add(uint32_t lun, std::unique_ptr<LogicalUnit> unit);
  void announce() noexcept;

  io::Reactor& reactor_;
  Identity identity_;
  Handshake handshake_;
  LunMap luns_;
  Statistics statistics_;
  std::vector<std::unique_ptr<StorChannel>> channels_;
  StorChannel* primary_ = nullptr;
  Enumeration enumeration_;
};

}  // namespace viridian::storvsp
