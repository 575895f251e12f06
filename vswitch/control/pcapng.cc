#include "vswitch/control/pcapng.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

#include "vswitch/control/pcapng_format.h"

namespace viridian::vswitch {

template <class T>
void PcapngWriter::put(const T& wire) {
  static_assert(WireStruct<T>);
  const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(wire);
  bytes_.append(bytes.data(), bytes.size());
}

void PcapngWriter::put_padded(const void* data, size_t bytes) {
  bytes_.append(static_cast<const char*>(data), bytes);
  bytes_.append((4 - bytes % 4) % 4, '\0');
}

void PcapngWriter::put_option(uint16_t code, const void* value, size_t bytes) {
  PcapngOption option;
  option.code = code;
  option.value_bytes = static_cast<uint16_t>(bytes);
  put(option);
  put_padded(value, bytes);
}

size_t PcapngWriter::begin_block(uint32_t type) {
  const size_t begin = bytes_.size();
  PcapngBlock block;
  block.type = type;
  block.block_bytes = 0;  // known at its end
  put(block);
  return begin;
}

void PcapngWriter::end_block(size_t begin) {
  put_option(pcapng::kEndOfOptions, nullptr, 0);
  le32 length;
  length = static_cast<uint32_t>(bytes_.size() - begin + sizeof(length));
  put(length);
  const auto bytes = std::bit_cast<std::array<char, sizeof(length)>>(length);
  bytes_.replace(begin + offsetof(PcapngBlock, block_bytes), bytes.size(), bytes.data(),
                 bytes.size());
}

PcapngWriter::PcapngWriter() {
  const size_t block = begin_block(pcapng::kSectionBlock);
  PcapngSection section;
  section.magic = pcapng::kByteOrderMagic;
  section.major = 1;
  section.minor = 0;
  section.section_bytes_low = UINT32_MAX;
  section.section_bytes_high = UINT32_MAX;
  put(section);
  constexpr std::string_view kProgram = "Viridian vswitch";
  put_option(pcapng::kUserApplication, kProgram.data(), kProgram.size());
  end_block(block);
}

bool PcapngWriter::knows(PortId port) const {
  return std::find(interfaces_.begin(), interfaces_.end(), port) != interfaces_.end();
}

void PcapngWriter::add_interface(PortId port, std::string_view name, uint32_t snap_bytes) {
  constexpr uint8_t kNanoseconds = 9;
  const size_t block = begin_block(pcapng::kInterfaceBlock);
  PcapngInterface interface;
  interface.link_type = pcapng::kEthernet;
  interface.reserved = 0;
  interface.snap_bytes = snap_bytes;
  put(interface);
  put_option(pcapng::kName, name.data(), name.size());
  put_option(pcapng::kTimeResolution, &kNanoseconds, sizeof(kNanoseconds));
  end_block(block);
  interfaces_.push_back(port);
}

void PcapngWriter::add_frame(const CapturedFrame& frame, const std::vector<std::byte>& data,
                             uint64_t missed) {
  const size_t block = begin_block(pcapng::kPacketBlock);
  const auto interface = std::find(interfaces_.begin(), interfaces_.end(), frame.port);
  PcapngPacket packet;
  packet.interface = static_cast<uint32_t>(interface - interfaces_.begin());
  packet.time_high = static_cast<uint32_t>(frame.time_ns >> 32);
  packet.time_low = static_cast<uint32_t>(frame.time_ns);
  packet.captured_bytes = static_cast<uint32_t>(data.size());
  packet.frame_bytes = frame.frame_bytes;
  put(packet);
  put_padded(data.data(), data.size());
  if (frame.event == CaptureEvent::kDropped) {
    const std::string comment =
        fmt::format("dropped: {} ({})", name_of(frame.reason), meaning_of(frame.reason));
    put_option(pcapng::kComment, comment.data(), comment.size());
  } else {
    le32 flags;
    flags = frame.event == CaptureEvent::kIn ? pcapng::kInbound : pcapng::kOutbound;
    put_option(pcapng::kFlags, &flags, sizeof(flags));
  }
  if (missed != 0) {
    le64 count;
    count = missed;
    put_option(pcapng::kDropCount, &count, sizeof(count));
  }
  end_block(block);
}

}  // namespace viridian::vswitch
