// A damaged image in use: fields of a valid one changed as the input says, checksums made right,
// then reads, writes, zeroes, discards and flushes. What the disk shows before it is closed is what
// the image holds when it is opened again, and nothing reaches outside the file's own rules.
#include "tests/conformance/sync_disk.h"
#include "tests/support/memory_chain.h"
#include "vhd/footer.h"

namespace viridian::vhd {
namespace {

constexpr DiskLimits kLimits = {4, 4, 8, 4, 8192};
constexpr uint64_t kMostSectors = 4096;

// The image: changes of 4 bytes at places of the metadata, 7 bytes of input each.
std::vector<std::byte> damage(std::vector<std::byte> file, std::span<const uint8_t>& data) {
  for (size_t count = data[0] % 8; count > 0 && data.size() >= 8; --count, data = data.subspan(7)) {
    const size_t at = (data[1] | size_t{data[2]} << 8) % (file.size() - 4);
    std::memcpy(file.data() + at, &data[3], 4);
  }
  auto header = *read_wire<SparseHeader>(file, sizeof(Footer));
  seal(header);
  write_wire(file, header, sizeof(Footer));
  for (const size_t at : {size_t{0}, file.size() - sizeof(Footer)}) {
    auto footer = *read_wire<Footer>(file, at);
    seal(footer);
    write_wire(file, footer, at);
  }
  return file;
}

void run_one(std::span<const uint8_t> data) {
  static const auto reactor = std::move(*io::Reactor::create());
  static MemoryChain chain(*reactor);
  static const std::vector<std::byte> good = [] {
    chain.push(300 << 10, 4096);
    return chain.leaf_bytes();
  }();
  chain.set_leaf_bytes(damage(good, data));
  std::vector<std::byte> shown;
  uint64_t sectors = 0;
  {
    auto disk = chain.open(kLimits);
    if (!disk) return;
    sectors = std::min((*disk)->info().sector_count, kMostSectors);
    io::SyncDisk sync(*reactor, **disk);
    for (unsigned i = 0; i < 32 && data.size() >= 4; ++i, data = data.subspan(4)) {
      const uint64_t at = (data[1] | uint64_t{data[2]} << 8) % sectors;
      std::vector<std::byte> bytes((1 + data[3] % 32) * kSectorBytes, std::byte{data[3]});
      const auto op = static_cast<io::IoOp>(data[0] % 5);
      if (op == io::IoOp::kWrite) (void)sync.write(at, bytes, (data[0] & 0x80) != 0);
      if (op == io::IoOp::kRead) (void)sync.read(at, bytes);
      if (op > io::IoOp::kWrite) (void)sync.simple(op, at, 1 + data[3] % 32);
    }
    shown.resize(sectors * kSectorBytes);
    if (sync.read(0, shown) != io::IoStatus::kOk) __builtin_trap();
  }
  auto again = chain.open(kLimits);
  if (!again) __builtin_trap();
  std::vector<std::byte> kept(shown.size());
  const auto status = io::SyncDisk(*reactor, **again).read(0, kept);
  if (status != io::IoStatus::kOk || kept != shown) __builtin_trap();
}

}  // namespace
}  // namespace viridian::vhd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 1) viridian::vhd::run_one({data, size});
  return 0;
}
