// Sends CDBs to a logical unit and waits for each: for tests of the command sets.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "io/fault_disk.h"
#include "io/ram_disk.h"
#include "storvsp/scsi_request.h"

namespace viridian::storvsp {

using Bytes = std::vector<uint8_t>;

// A RAM disk that says of itself what a test wants.
class DescribedDisk final : public io::BlockDevice {
 public:
  DescribedDisk(io::Reactor& reactor, io::RamDisk& below)
      : said(below.info()), reactor_(reactor), below_(below) {}
  io::DiskInfo info() const noexcept override { return said; }
  void submit(io::IoRequest& request) noexcept override {
    const io::IoStatus status = io::check_request(request, said);
    last_op = request.op;
    last_fua = request.fua;
    if (status == io::IoStatus::kOk) return below_.submit(request);
    io::finish(reactor_, request, status);
  }

  io::DiskInfo said;
  io::IoOp last_op = io::IoOp::kFlush;
  bool last_fua = false;

 private:
  io::Reactor& reactor_;
  io::RamDisk& below_;
};

struct ScsiResult {
  uint8_t status = 0xff;
  Sense sense;
  uint32_t transferred = 0;
  Bytes data;  // the whole buffer as it is afterwards

  bool good() const { return status == scsi_status::kGood; }
  bool failed_with(Sense why) const {
    return status == scsi_status::kCheckCondition && sense == why && transferred == 0;
  }
  uint64_t be(size_t offset, size_t length) const {
    uint64_t value = 0;
    for (size_t i = 0; i < length; ++i)
      value = value << 8 | data.at(offset + i);
    return value;
  }
  std::string text(size_t offset, size_t length) const {
    return {data.begin() + static_cast<ptrdiff_t>(offset),
            data.begin() + static_cast<ptrdiff_t>(offset + length)};
  }
};

// `data` is what the guest's buffer holds before. It is handed over in pieces of `piece` bytes,
// as a guest's pages would be.
inline ScsiResult run_scsi(io::Reactor& reactor, LogicalUnit& unit,
                           std::initializer_list<uint8_t> cdb, Bytes data = {},
                           size_t piece = 200) {
  struct Waiting : ScsiRequest {
    int ended_count = 0;
  } request;
  std::copy(cdb.begin(), cdb.end(), request.cdb.begin());
  std::vector<iovec> parts;
  for (size_t at = 0; at < data.size(); at += piece)
    parts.push_back({data.data() + at, std::min(piece, data.size() - at)});
  request.buffer = parts;
  request.buffer_length = static_cast<uint32_t>(data.size());
  request.ended = [](ScsiRequest& self) noexcept { ++static_cast<Waiting&>(self).ended_count; };
  unit.execute(request);
  EXPECT_EQ(request.ended_count, 0) << "ended inside execute()";
  reactor.run_until([&] { return request.ended_count > 0; });
  reactor.turn(false);
  EXPECT_EQ(request.ended_count, 1);
  ScsiResult result;
  result.status = request.scsi_status;
  result.sense = request.sense;
  result.transferred = request.transferred;
  result.data = std::move(data);
  return result;
}

class ScsiTest : public testing::Test {
 protected:
  static constexpr uint64_t kSectors = 1024;

  ScsiTest() {
    for (size_t i = 0; i < ram_.bytes().size(); ++i)
      ram_.bytes()[i] = static_cast<std::byte>(i / io::kSectorSize + i % 251);
  }
  Bytes sectors(uint64_t first, uint64_t count) {
    Bytes bytes;
    for (std::byte b : ram_.bytes().subspan(first * io::kSectorSize, count * io::kSectorSize))
      bytes.push_back(std::to_integer<uint8_t>(b));
    return bytes;
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  io::RamDisk ram_{*reactor_, kSectors};
  DescribedDisk described_{*reactor_, ram_};
  io::FaultDisk fault_{*reactor_, described_};
};

}  // namespace viridian::storvsp
