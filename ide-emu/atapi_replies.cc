#include "ide-emu/atapi_replies.h"

#include <algorithm>
#include <string_view>

#include "ide-emu/reply_writer.h"

namespace viridian::ide {
namespace {

constexpr uint16_t kProfileCdRom = 0x0008, kProfileDvdRom = 0x0010;
constexpr uint32_t kLargestCdBlocks = 80 * 60 * 75;  // 80 minutes; a bigger image is a DVD's
constexpr uint8_t kLeadOut = 0xAA;
constexpr uint8_t kMediaClass = 4;  // of events: MMC-5, 6.7

uint8_t at(Packet packet, size_t index) { return std::to_integer<uint8_t>(packet[index]); }

// A block's address as a TOC shows it: a number, or minute, second and frame two seconds later.
uint32_t toc_address(uint32_t block, bool msf) {
  if (!msf) return block;
  const uint32_t frames = block + 150;
  return frames / (75 * 60) << 16 | frames / 75 % 60 << 8 | frames % 75;
}

uint16_t profile_of(const Disc& disc) {
  if (!disc.present) return 0;
  return disc.block_count > kLargestCdBlocks ? kProfileDvdRom : kProfileCdRom;
}

}  // namespace

// SPC-3, 4.5.3: fixed format.
size_t build_sense(const Sense& sense, std::span<std::byte> into) {
  ReplyWriter reply(into);
  reply.u8(0x70).u8(0).u8(sense.key).zeroes(4).u8(10).zeroes(4);
  reply.u8(sense.code).u8(sense.qualifier).zeroes(4);
  return reply.size();
}

// SPC-3, 6.4.2, with byte 3 as SFF-8020i has it.
size_t build_inquiry(const DriveIdentity& identity, std::span<std::byte> into) {
  const std::string_view model = identity.model;
  std::string_view product = model.substr(std::min<size_t>(8, model.size()));
  while (product.starts_with(' '))
    product.remove_prefix(1);
  ReplyWriter reply(into);
  reply.u8(0x05).u8(0x80).u8(0).u8(0x21).u8(31).zeroes(3);
  reply.text(model.substr(0, 8), 8).text(product, 16).text(identity.firmware, 4);
  return reply.size();
}

size_t build_capacity(const Disc& disc, std::span<std::byte> into) {
  ReplyWriter reply(into);
  reply.u32(disc.block_count - 1).u32(kCdBlockBytes);
  return reply.size();
}

// MMC-5, 6.6. One track that fills the disc.
std::optional<size_t> build_toc(const Disc& disc, Packet packet, std::span<std::byte> into) {
  const bool msf = (at(packet, 1) & 2) != 0;
  // SFF-8020i has the format in the top bits of the last byte.
  const unsigned format = (at(packet, 2) & 0xF) != 0 ? at(packet, 2) & 0xF : at(packet, 9) >> 6;
  const uint8_t first = at(packet, 6);
  ReplyWriter reply(into);
  auto track = [&](uint8_t number, uint32_t block) {
    reply.u8(0).u8(0x14).u8(number).u8(0).u32(toc_address(block, msf));
  };
  if (format == 0) {
    if (first > 1 && first != kLeadOut) return std::nullopt;
    reply.u16(0).u8(1).u8(1);
    if (first <= 1) track(1, 0);
    track(kLeadOut, disc.block_count);
  } else if (format == 1) {
    reply.u16(0).u8(1).u8(1);
    track(1, 0);
  } else {
    return std::nullopt;
  }
  reply.set_u16(0, reply.size() - 2);
  return reply.size();
}

// MMC-5, 6.6 and clause 5: profile list, core, removable medium, random and CD and DVD reading.
size_t build_configuration(const Disc& disc, Packet packet, std::span<std::byte> into) {
  const unsigned which = at(packet, 1) & 3;  // 0: all, 1: current, 2: one
  const unsigned first = static_cast<unsigned>(at(packet, 2) << 8 | at(packet, 3));
  const uint16_t profile = profile_of(disc);
  ReplyWriter reply(into);
  reply.u32(0).u16(0).u16(profile);

  auto feature = [&](unsigned code, bool current, unsigned version, unsigned length) {
    if (which == 2 ? code != first : code < first || (which == 1 && !current)) return false;
    reply.u16(code).u8(version << 2 | (code <= 3 ? 2u : 0u) | (current ? 1u : 0u)).u8(length);
    return true;
  };
  if (feature(0x0000, true, 0, 8)) {
    reply.u16(kProfileDvdRom).u8(profile == kProfileDvdRom).u8(0);
    reply.u16(kProfileCdRom).u8(profile == kProfileCdRom).u8(0);
  }
  if (feature(0x0001, true, 1, 8)) reply.u32(2).u32(0);       // ATAPI
  if (feature(0x0003, true, 0, 4)) reply.u8(0x29).zeroes(3);  // tray, eject, lock
  if (feature(0x0010, disc.present, 0, 8)) reply.u32(kCdBlockBytes).u16(1).u16(0);
  if (feature(0x001E, profile == kProfileCdRom, 0, 4)) reply.zeroes(4);
  if (feature(0x001F, profile == kProfileDvdRom, 0, 4)) reply.zeroes(4);
  reply.set_u16(2, reply.size() - 4);
  return reply.size();
}

// MMC-5, 6.7: only the media class has events.
size_t build_event(const Disc& disc, uint8_t event, Packet packet, std::span<std::byte> into) {
  ReplyWriter reply(into);
  if ((at(packet, 4) & 1u << kMediaClass) == 0) {
    reply.u16(2).u8(0x80).u8(1u << kMediaClass);  // no event available
    return reply.size();
  }
  reply.u16(6).u8(kMediaClass).u8(1u << kMediaClass);
  reply.u8(event).u8((disc.present ? 2u : 0u) | (disc.tray_open ? 1u : 0u)).u16(0);
  return reply.size();
}

// MMC-5, 6.22: a complete disc with one session and one track.
size_t build_disc_information(std::span<std::byte> into) {
  ReplyWriter reply(into);
  reply.u16(32).u8(0x0E).u8(1).u8(1).u8(1).u8(1).zeroes(27);
  return reply.size();
}

// MMC-5, 6.11: one tray, no changer.
size_t build_mechanism_status(const Disc& disc, std::span<std::byte> into) {
  ReplyWriter reply(into);
  reply.u8(0).u8(disc.tray_open ? 0x10 : 0).zeroes(3).u8(1).u16(0);
  return reply.size();
}

// Read error recovery (MMC-5, 7.2) and capabilities (MMC-3, 5.5.10); the changeable-values form
// of each is all zeroes, since nothing can be set.
std::optional<size_t> build_mode_pages(Packet packet, bool locked, std::span<std::byte> into) {
  constexpr uint8_t kRecovery = 0x01, kCapabilities = 0x2A, kAll = 0x3F;
  const uint8_t page = at(packet, 2) & 0x3F;
  const bool changeable = at(packet, 2) >> 6 == 1;
  if (page != kRecovery && page != kCapabilities && page != kAll) return std::nullopt;
  ReplyWriter reply(into);
  reply.u16(0).zeroes(6);
  if (page == kRecovery || page == kAll) {
    reply.u8(kRecovery).u8(6).u8(0).u8(changeable ? 0 : 5).zeroes(4);
  }
  if (page == kCapabilities || page == kAll) {
    reply.u8(kCapabilities).u8(18);
    if (changeable) {
      reply.zeroes(18);
    } else {
      reply.u8(0x08).u8(0).u8(0x71).u8(0x60);             // reads DVD-ROM; multi-session, mode 2
      reply.u8(0x29 | (locked ? 2u : 0u)).u8(0);          // tray, eject, lock
      reply.u16(706).u16(2).u16(512).u16(706).zeroes(4);  // 4 x speed in KB/s, volumes, KiB
    }
  }
  reply.set_u16(0, reply.size() - 2);
  return reply.size();
}

}  // namespace viridian::ide
