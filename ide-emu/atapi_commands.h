// What a CD-ROM drive does for a packet: SPC-3 and MMC-5, read-only. The commands that Linux's sr
// and cdrom drivers, SeaBIOS and Windows need; every other gets "invalid command operation code".
// Called with the function's gate held.
//
// Left out: audio, subchannels, raw sectors, writing, and changing the disc while the VM runs.
#pragma once

#include <optional>

#include "ide-emu/atapi_replies.h"

namespace viridian::ide {

class CdRom {
 public:
  // `block_count` of zero: no disc.
  CdRom(const DriveIdentity& identity, uint32_t block_count);

  struct Reply {
    Sense sense = {};    // not kNone: the command failed
    uint32_t bytes = 0;  // of the buffer
    uint32_t block = 0;  // or blocks of the disc
    uint32_t blocks = 0;
  };
  // Executes a packet that was copied from the guest.
  Reply execute(Packet packet, std::span<std::byte> buffer) noexcept;

  // What REQUEST SENSE will say about the command that just ended.
  void remember(const Sense& sense) noexcept { sense_ = sense; }
  // Reset: the next command learns of it.
  void reset() noexcept;

 private:
  Reply dispatch(Packet packet, std::span<std::byte> buffer) noexcept;
  Reply request_sense(Packet packet, std::span<std::byte> buffer) noexcept;
  Reply read(uint32_t block, uint32_t blocks) noexcept;
  Reply start_stop(uint8_t what) noexcept;
  Reply get_event(Packet packet, std::span<std::byte> buffer) noexcept;
  Reply mode_sense(Packet packet, std::span<std::byte> buffer) noexcept;
  Reply with_disc(Packet packet, std::span<std::byte> buffer) noexcept;
  Disc disc() const noexcept;

  const DriveIdentity& identity_;
  const uint32_t block_count_;
  bool tray_open_ = false;
  bool locked_ = false;
  uint8_t event_ = 0;  // the media event that GET EVENT STATUS reports next
  Sense sense_;
  Sense attention_;  // not kNone: told to the next command that may fail for it
};

}  // namespace viridian::ide
