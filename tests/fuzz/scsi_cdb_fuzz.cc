// Any CDB with any data on a SCSI disk or a DVD drive: each command must end once, and no byte
// outside the guest's buffer may be touched (the sanitizer watches). Input: flags, 16 bytes of CDB,
// then the data.
#include <algorithm>
#include <vector>

#include "io/ram_disk.h"
#include "storvsp/scsi_disk.h"
#include "storvsp/scsi_dvd.h"

namespace viridian::storvsp {
namespace {

struct Waiting : ScsiRequest {
  unsigned ended_count = 0;
};

void run_one(io::Reactor& reactor, LogicalUnit& unit, std::span<const uint8_t> input) {
  Waiting request;
  const uint8_t piece = static_cast<uint8_t>(std::max<uint8_t>(input[0], 1));
  std::copy_n(input.begin() + 1, kMaxCdbLength, request.cdb.begin());
  std::vector<uint8_t> data(input.begin() + 1 + kMaxCdbLength, input.end());
  std::vector<iovec> parts;
  for (size_t at = 0; at < data.size(); at += piece)
    parts.push_back({data.data() + at, std::min<size_t>(piece, data.size() - at)});
  request.buffer = parts;
  request.buffer_length = static_cast<uint32_t>(data.size());
  request.ended = [](ScsiRequest& self) noexcept { ++static_cast<Waiting&>(self).ended_count; };
  if (input[0] == 0) unit.raise(sense::kCapacityChanged);
  unit.execute(request);
  for (unsigned turns = 0; turns < 200 && request.ended_count == 0; ++turns)
    reactor.turn(false);
  const bool moved_too_much = request.transferred > data.size();
  if (request.ended_count != 1 || moved_too_much) __builtin_trap();
}

}  // namespace
}  // namespace viridian::storvsp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto kReactor = std::move(*viridian::io::Reactor::create());
  static viridian::io::RamDisk disk(*kReactor, 64);
  if (size < 1 + viridian::storvsp::kMaxCdbLength) return 0;
  viridian::storvsp::ScsiDisk unit(*kReactor, disk);
  viridian::storvsp::ScsiDvd dvd(*kReactor, disk);
  viridian::storvsp::run_one(*kReactor, unit, {data, size});
  viridian::storvsp::run_one(*kReactor, dvd, {data, size});
  return 0;
}
