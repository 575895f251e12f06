// disk-cat VHD: writes a disk's bytes to standard output, through the C++ interface: a Reactor is
// the loop, a disk is an io::BlockDevice, and requests are the caller's own memory.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "io/block_device.h"
#include "io/reactor.h"
#include "vhd/open_disk.h"

namespace {

namespace io = viridian::io;
namespace vhd = viridian::vhd;

constexpr uint64_t kPieceSectors = 2048;

struct Read : io::IoRequest {
  bool ended = false;
};

int fail(const std::string& message) {
  std::fprintf(stderr, "disk-cat: %s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail("usage: disk-cat VHD");
  auto reactor = io::Reactor::create();
  if (!reactor) return fail(reactor.error().message);
  vhd::DiskOptions options;
  options.read_only = true;
  auto disk = vhd::open_disk(**reactor, argv[1], options);
  if (!disk) return fail(disk.error().message);

  const uint64_t sectors = (*disk)->info().sector_count;
  std::vector<std::byte> bytes(kPieceSectors * io::kSectorSize);
  for (uint64_t sector = 0; sector < sectors; sector += kPieceSectors) {
    Read read;
    read.op = io::IoOp::kRead;
    read.sector = sector;
    read.sector_count = std::min(kPieceSectors, sectors - sector);
    const iovec part = {bytes.data(), read.sector_count * io::kSectorSize};
    read.data = {&part, 1};
    read.done = [](io::IoRequest& self) noexcept { static_cast<Read&>(self).ended = true; };
    (*disk)->submit(read);
    // A program with work of its own would call (*reactor)->run(), or wait for event_fd().
    (*reactor)->run_until([&] { return read.ended; });
    if (read.status != io::IoStatus::kOk) return fail("cannot read");
    if (std::fwrite(part.iov_base, 1, part.iov_len, stdout) != part.iov_len) return fail("stdout");
  }
  return 0;
}
