// Any bytes as an image for the commands that look at one and mend it: info, map, check, repair.
// None ends the program, and a repair that says that it can be made leaves an image that opens.
// Input: a byte of flags, then the file. With flag 1 the checksums are made right first.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "vhd/footer.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/map_command.h"
#include "vhd/tool/repair.h"

namespace viridian::vhd::tool {
namespace {

template <class T>
void seal_at(std::span<std::byte> file, uint64_t offset) {
  auto value = read_wire<T>(file, offset);
  if (!value) return;
  seal(*value);
  write_wire(file, *value, offset);
}

void run_one(std::span<const uint8_t> data) {
  const auto input = std::as_bytes(data).subspan(1);
  std::vector<std::byte> file(input.begin(), input.end());
  if ((data[0] & 1) != 0 && file.size() >= sizeof(Footer)) {
    seal_at<SparseHeader>(file, sizeof(Footer));
    seal_at<Footer>(file, 0);
    seal_at<Footer>(file, file.size() - sizeof(Footer));
  }
  static const int kFd = ::memfd_create("image", MFD_CLOEXEC);
  if (::ftruncate(kFd, 0) != 0 || ::pwrite(kFd, file.data(), file.size(), 0) < 0) return;
  OpenPolicy policy;
  policy.format = Format::kVhd;
  const std::string path = "/proc/self/fd/" + std::to_string(kFd);
  const bool json = (data[0] & 2) != 0;
  (void)run_info({path, policy, false, json});
  MapOptions sectors;
  sectors.sectors = (data[0] & 4) != 0;
  (void)run_map({path, policy, sectors, true, (data[0] & 8) != 0, {}, json});
  (void)run_check({path, policy, json});
  RepairCommand repair;
  repair.path = path;
  repair.policy = policy;
  repair.json = json;
  repair.dry_run = true;
  const bool mendable = run_repair(repair).has_value();
  repair.dry_run = false;
  if (!mendable) return;
  if (!run_repair(repair) || !load_image(kFd, "image", policy)) __builtin_trap();
}

}  // namespace
}  // namespace viridian::vhd::tool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool kQuiet = std::freopen("/dev/null", "w", stdout) != nullptr;
  if (size >= 1 && kQuiet) viridian::vhd::tool::run_one({data, size});
  return 0;
}
