// image_write IMAGE OFFSET FILE: writes FILE's bytes into a disk image at a byte offset, through
// the engine that a guest's disk uses. The guest tests fill the middle of a chain with it. Offset
// and size are whole sectors.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "io/reactor.h"
#include "tests/conformance/sync_disk.h"
#include "vhd/open_disk.h"

namespace viridian {
namespace {

int say(const std::string& message) {
  std::fprintf(stderr, "image_write: %s\n", message.c_str());
  return 1;
}

int write_image(const std::string& image, uint64_t offset, const std::string& name) {
  auto reactor = io::Reactor::create();
  if (!reactor) return say(reactor.error().message);
  vhd::DiskOptions options;
  options.cache = io::CacheMode::kWriteback;
  auto disk = vhd::open_disk(**reactor, image, options);
  if (!disk) return say(disk.error().message);
  // Read with the disk open: a pipe keeps it so for as long as a test wants.
  std::ifstream file(name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file || text.empty() || (text.size() | offset) % io::kSectorSize != 0) {
    return say(name + ": not a number of whole sectors");
  }
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());

  io::SyncDisk sync(**reactor, **disk);
  if (sync.write(offset / io::kSectorSize, bytes, true) != io::IoStatus::kOk) {
    return say(image + ": the write failed");
  }
  return 0;
}

}  // namespace
}  // namespace viridian

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: image_write IMAGE OFFSET FILE\n");
    return 2;
  }
  return viridian::write_image(argv[1], std::stoull(argv[2]), argv[3]);
}
