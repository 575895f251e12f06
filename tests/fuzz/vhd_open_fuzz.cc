// Any bytes as a disk image: opening them ends in an image that holds together or in an error, fast
// and in little memory. Input: a byte of flags, a byte of file growth, then the file. With flag 1
// the checksums are made right, or hardly any input would come past them.
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "vhd/footer.h"
#include "vhd/image.h"
#include "vhd/parent_paths.h"

namespace viridian::vhd {
namespace {

template <class T>
void seal_at(std::span<std::byte> file, uint64_t offset) {
  auto value = read_wire<T>(file, offset);
  if (!value) return;
  seal(*value);
  write_wire(file, *value, offset);
}

void check(const Image& image) {
  const uint64_t block = uint64_t{image.block_size} + image.bitmap_bytes;
  bool good = image.size_bytes % 512 == 0;
  for (uint32_t sector : image.bat)
    good = good && (sector == kUnusedEntry || sector * uint64_t{512} + block <= image.data_end);
  // A footer that is not on a sector makes the image read-only, and data_end is rounded up.
  const bool writable = !image.bat.empty() && !image.read_only;
  if (!good || (writable && image.data_end > image.footer_offset)) __builtin_trap();
}

void run_one(std::span<const uint8_t> data) {
  const auto input = std::as_bytes(data).subspan(2);
  std::vector<std::byte> file(input.begin(), input.end());
  if ((data[0] & 1) != 0 && file.size() >= sizeof(Footer)) {
    seal_at<SparseHeader>(file, read_wire<Footer>(file)->data_offset);
    seal_at<SparseHeader>(file, sizeof(Footer));
    seal_at<Footer>(file, 0);
    seal_at<Footer>(file, file.size() - sizeof(Footer));
  }
  static const int kFd = ::memfd_create("image", MFD_CLOEXEC);
  if (::ftruncate(kFd, 0) != 0 || ::pwrite(kFd, file.data(), file.size(), 0) < 0) return;
  const uint64_t grown = file.size() + (data[1] < 40 ? 0 : uint64_t{1} << (data[1] % 40));
  if (::ftruncate(kFd, static_cast<off_t>(grown)) != 0) return;
  OpenPolicy policy;
  policy.format = Format::kVhd;
  std::vector<Problem> problems;
  const auto image = load_image(kFd, "image", policy, (data[0] & 2) != 0 ? &problems : nullptr);
  if (image) check(*image);
  if (image) (void)parent_candidates(*image, policy);
}

}  // namespace
}  // namespace viridian::vhd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 2) viridian::vhd::run_one({data, size});
  return 0;
}
