// A request with its own memory, which remembers that it has ended.
#pragma once

#include <algorithm>
#include <vector>

#include "io/io_request.h"
#include "vhd/layer.h"

namespace viridian::vhd {

struct Request : io::IoRequest {
  explicit Request(io::IoOp what, uint64_t from = 0, uint64_t count = 0, unsigned value = 0)
      : bytes(count * kSectorBytes, static_cast<std::byte>(value)) {
    op = what;
    sector = from;
    sector_count = count;
    part = {bytes.data(), bytes.size()};
    if (op == io::IoOp::kRead || op == io::IoOp::kWrite) data = {&part, 1};
    done = [](io::IoRequest& self) noexcept { static_cast<Request&>(self).ended = true; };
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  // The byte that all of it is, or -1.
  int value() const {
    const bool same = std::all_of(bytes.begin(), bytes.end(),
                                  [this](std::byte byte) { return byte == bytes[0]; });
    return same ? static_cast<int>(bytes[0]) : -1;
  }
  std::vector<std::byte> bytes;
  iovec part{};
  bool ended = false;
};

}  // namespace viridian::vhd
