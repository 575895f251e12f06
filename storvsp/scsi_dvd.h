// A DVD drive with an ISO image in it: MMC-6 on a read-only BlockDevice, 2048-byte blocks, one
// session with one data track; everything that Linux's sr and cdrom send. The guest may eject the
// image and load it again.
//
// Lives on the image's reactor. Left out: writing, audio, DVD structures and copy protection, raw
// sectors, more than one session.
#pragma once

#include <optional>

#include "storvsp/mmc_spec.h"
#include "storvsp/scsi_request.h"

namespace viridian::storvsp {

constexpr uint32_t kDvdBlockBytes = 2048;

class ScsiDvd final : public LogicalUnit {
 public:
  // Both outlive the drive and every request in it.
  ScsiDvd(io::Reactor& reactor, io::BlockDevice& image) : reactor_(reactor), image_(image) {}

  void execute(ScsiRequest& request) noexcept override;
  void raise(Sense attention) noexcept override { attention_ = attention; }

 private:
  void execute_with_medium(ScsiRequest& request) noexcept;
  void read(ScsiRequest& request, uint32_t lba, uint32_t count) noexcept;
  void read_capacity(ScsiRequest& request) noexcept;
  void read_toc(ScsiRequest& request) noexcept;
  void read_disc_information(ScsiRequest& request) noexcept;
  void read_track_information(ScsiRequest& request) noexcept;
  void get_configuration(ScsiRequest& request) noexcept;
  void get_event_status(ScsiRequest& request) noexcept;
  void request_sense(ScsiRequest& request) noexcept;
  void start_stop(ScsiRequest& request) noexcept;
  void prevent_allow(ScsiRequest& request) noexcept;
  void mode(ScsiRequest& request, bool select) noexcept;
  uint32_t block_count() const noexcept;

  io::Reactor& reactor_;
  io::BlockDevice& image_;
  std::optional<Sense> attention_;
  bool loaded_ = true;
  bool removal_prevented_ = false;
  uint8_t event_ = kMediaNoChange;  // for the next GET EVENT STATUS NOTIFICATION
};

}  // namespace viridian::storvsp
