// Captured frames as a pcapng file that tcpdump and Wireshark open. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vswitch/capture.h"

namespace viridian::vswitch {

// Appends to a text of bytes, which the caller takes away as it likes.
class PcapngWriter {
 public:
  PcapngWriter();  // the section's header is in bytes() at once

  // A port is an interface of the file: declared once, before its first frame.
  bool knows(PortId port) const;
  void add_interface(PortId port, std::string_view name, uint32_t snap_bytes);

  // `missed`: frames that were not captured since the last one. What was dropped has a comment.
  void add_frame(const CapturedFrame& frame, const std::vector<std::byte>& data, uint64_t missed);

  std::string& bytes() { return bytes_; }

 private:
  template <class T>
  void put(const T& wire);
  void put_padded(const void* data, size_t bytes);
  void put_option(uint16_t code, const void* value, size_t bytes);
  size_t begin_block(uint32_t type);
  void end_block(size_t begin);

  std::string bytes_;
  std::vector<PortId> interfaces_;
};

}  // namespace viridian::vswitch
