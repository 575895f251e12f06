// The data that packet commands return, built from what the drive is and holds. Pure functions.
// Each returns the reply's size; the caller cuts it to the guest's allocation length.
#pragma once

#include <optional>

#include "ide-emu/atapi_spec.h"
#include "ide-emu/controller.h"

namespace viridian::ide {

struct Disc {
  bool present = false;  // and the tray closed
  bool tray_open = false;
  uint32_t block_count = 0;  // of kCdBlockBytes
};

using Packet = std::span<const std::byte, kPacketBytes>;

size_t build_sense(const Sense& sense, std::span<std::byte> into);
size_t build_inquiry(const DriveIdentity& identity, std::span<std::byte> into);
size_t build_capacity(const Disc& disc, std::span<std::byte> into);
size_t build_configuration(const Disc& disc, Packet packet, std::span<std::byte> into);
size_t build_event(const Disc& disc, uint8_t event, Packet packet, std::span<std::byte> into);
size_t build_disc_information(std::span<std::byte> into);
size_t build_mechanism_status(const Disc& disc, std::span<std::byte> into);

// Nothing: the packet asks for a format, track or page that does not exist.
std::optional<size_t> build_toc(const Disc& disc, Packet packet, std::span<std::byte> into);
std::optional<size_t> build_mode_pages(Packet packet, bool locked, std::span<std::byte> into);

}  // namespace viridian::ide
