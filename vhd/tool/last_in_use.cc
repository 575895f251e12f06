#include "vhd/tool/last_in_use.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/blocking_disk.h"
#include "vhd/open_disk.h"
#include "vhd/tool/data_map.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;

}  // namespace

Result<uint64_t> end_of_use(io::Reactor& reactor, const std::string& path, const OpenPolicy& policy,
                            uint64_t from) {
  const auto chain = open_chain(path, Access::kReadOnly, policy);
  if (!chain) return Unexpected(chain.error());
  DiskOptions options;
  options.read_only = true;
  options.lock = false;
  options.cache = io::CacheMode::kWriteback;
  options.policy = policy;
  const auto disk = open_disk(reactor, path, options);
  if (!disk) return Unexpected(disk.error());
  BlockingDisk blocking(reactor, **disk);
  const std::vector<Range> ranges = data_ranges(*chain);
  std::vector<std::byte> buffer(kPieceBytes);
  for (size_t i = ranges.size(); i-- > 0 && ranges[i].offset + ranges[i].length > from;) {
    const uint64_t begin = align_down<uint64_t>(std::max(ranges[i].offset, from), io::kSectorSize);
    uint64_t end = align_up<uint64_t>(ranges[i].offset + ranges[i].length, io::kSectorSize);
    while (end > begin) {
      const auto piece = std::span(buffer).first(std::min(kPieceBytes, end - begin));
      VIRIDIAN_TRY(blocking.read(end - piece.size(), piece));
      const auto last = std::find_if(piece.rbegin(), piece.rend(),
                                     [](std::byte byte) { return byte != std::byte{0}; });
      if (last != piece.rend()) return end - static_cast<uint64_t>(last - piece.rbegin());
      end -= piece.size();
    }
  }
  return uint64_t{0};
}

}  // namespace viridian::vhd::tool
