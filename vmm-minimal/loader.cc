#include "vmm-minimal/loader.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/checked.h"
#include "io/unique_fd.h"
#include "vmm-minimal/bzimage.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

using linux_boot::BootParams;
using linux_boot::kE820Ram;
using linux_boot::kE820Reserved;
using linux_boot::kEntry64;
using linux_boot::kLoaderUndefined;
using linux_boot::kSetupRngSeed;
using linux_boot::SetupData;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSetupDataAddress = kBootParams + sizeof(BootParams);
constexpr size_t kRngSeedBytes = 32;

struct InputFile {
  UniqueFd fd;
  uint64_t size = 0;
  std::string path;
};

Result<InputFile> open_file(const std::string& path) {
  InputFile file;
  file.path = path;
  file.fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.fd) return fail_errno(path, errno);
  struct stat info {};
  if (::fstat(file.fd.get(), &info) < 0) return fail_errno(path, errno);
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorKind::kInvalidArgument, "{}: not a regular file", path);
  }
  file.size = static_cast<uint64_t>(info.st_size);
  return file;
}

// Straight into guest memory: no copy of a large initrd in our own.
Result<void> read_into(const InputFile& file, uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got =
        ::pread(file.fd.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(file.path, errno);
    if (got == 0) return fail(ErrorKind::kIo, "{}: became shorter while it was read", file.path);
    offset += static_cast<uint64_t>(got);
    into = into.subspan(static_cast<size_t>(got));
  }
  return {};
}

uint64_t low_memory_end(const GuestMemory& memory) { return memory.regions()[0].bytes.size(); }

Unexpected too_small(const std::string& path, uint64_t bytes, uint64_t gpa) {
  return fail(ErrorKind::kInvalidArgument,
              "{}: {} bytes do not fit at {:#x}; give the guest more --memory", path, bytes, gpa);
}

Result<BzImage> load_kernel(const GuestMemory& memory, const std::string& path) {
  auto file = open_file(path);
  if (!file) return Unexpected(file.error());
  std::array<std::byte, kBzImageHeadBytes> head;
  const auto head_bytes = std::span(head).first(std::min<uint64_t>(head.size(), file->size));
  VIRIDIAN_TRY(read_into(*file, 0, head_bytes));
  auto image = parse_bzimage(path, head_bytes, file->size);
  if (!image) return image;
  // The kernel unpacks itself in init_size bytes from where it is loaded.
  if (!memory.window(Gpa{image->load_address}, image->header.init_size)) {
    return too_small(path, image->header.init_size, image->load_address);
  }
  const auto place = memory.window(Gpa{image->load_address}, image->kernel_bytes);
  VIRIDIAN_TRY(read_into(*file, image->kernel_offset, *place));
  return image;
}

// As high as the kernel allows, so that it is out of the way of the kernel's own placement.
Result<GpaRange> load_initrd(const GuestMemory& memory, const std::string& path,
                             const BzImage& image) {
  if (path.empty()) return GpaRange{Gpa{0}, 0};
  auto file = open_file(path);
  if (!file) return Unexpected(file.error());
  const uint64_t end =
      std::min<uint64_t>(low_memory_end(memory), uint64_t{image.header.initrd_addr_max} + 1);
  const uint64_t kernel_end = image.load_address + image.header.init_size;
  if (file->size == 0 || file->size > end || align_down(end - file->size, kPage) < kernel_end) {
    return too_small(path, file->size, kernel_end);
  }
  const uint64_t gpa = align_down(end - file->size, kPage);
  const auto place = memory.window(Gpa{gpa}, file->size);
  VIRIDIAN_TRY(read_into(*file, 0, *place));
  return GpaRange{Gpa{gpa}, static_cast<uint32_t>(file->size)};
}

Result<void> write_command_line(const GuestMemory& memory, const std::string& text,
                                const BzImage& image) {
  const uint64_t limit = std::min<uint64_t>(image.header.cmdline_size, kPage - 1);
  if (text.size() > limit) {
    return fail(ErrorKind::kInvalidArgument,
                "append: the kernel command line has {} characters; the kernel's cmdline_size "
                "allows {}",
                text.size(), limit);
  }
  const auto place = memory.window(Gpa{kCommandLine}, text.size() + 1);
  std::copy_n(std::as_bytes(std::span(text.c_str(), text.size() + 1)).begin(), text.size() + 1,
              place->begin());
  return {};
}

void fill_e820(BootParams& params, const GuestMemory& memory) {
  const auto add = [&](uint64_t start, uint64_t end, uint32_t type) {
    params.e820_table[params.e820_entries++] = {
        .address = start, .size = end - start, .type = type};
  };
  add(0, kConventionalEnd, kE820Ram);
  add(kConventionalEnd, kOneMiB, kE820Reserved);
  add(kOneMiB, low_memory_end(memory), kE820Ram);
  add(kIoApicBase, kHighMemoryBase, kE820Reserved);
  for (const auto& region : memory.regions().subspan(1)) {
    add(region.base, region.base + region.bytes.size(), kE820Ram);
  }
}

// Entropy for the guest's first random numbers; kernels before 6.0 skip the unknown type.
void write_rng_seed(const GuestMemory& memory) {
  std::array<std::byte, kRngSeedBytes> seed{};
  if (::getrandom(seed.data(), seed.size(), GRND_NONBLOCK) < 0) return;
  memory.write(Gpa{kSetupDataAddress},
               SetupData{.next = 0, .type = kSetupRngSeed, .length = kRngSeedBytes});
  memory.write(Gpa{kSetupDataAddress + sizeof(SetupData)}, std::span<const std::byte>(seed));
}

}  // namespace

Result<EntryPoint> load_linux(const GuestMemory& memory, const LinuxBoot& boot) {
  const auto image = load_kernel(memory, boot.kernel_path);
  if (!image) return with_context("kernel", image.error());
  const auto initrd = load_initrd(memory, boot.initrd_path, *image);
  if (!initrd) return with_context("initrd", initrd.error());
  VIRIDIAN_TRY(write_command_line(memory, boot.command_line, *image));

  BootParams params{};
  params.header = image->header;
  params.header.type_of_loader = kLoaderUndefined;
  params.header.cmd_line_ptr = static_cast<uint32_t>(kCommandLine);
  params.header.ramdisk_image = static_cast<uint32_t>(to_u64(initrd->base));
  params.header.ramdisk_size = initrd->length;
  params.header.setup_data = kSetupDataAddress;
  params.acpi_rsdp_addr = boot.acpi_rsdp;
  fill_e820(params, memory);
  memory.write(Gpa{kBootParams}, params);
  write_rng_seed(memory);
  return EntryPoint{
      .mode = CpuMode::kLong, .rip = image->load_address + kEntry64, .rsi = kBootParams};
}

Result<EntryPoint> load_payload(const GuestMemory& memory, const std::string& path, CpuMode mode) {
  auto file = open_file(path);
  if (!file) return with_context("payload", file.error());
  const uint64_t start = mode == CpuMode::kReal ? kPayloadReal : kPayloadLong;
  const uint64_t limit =
      (mode == CpuMode::kReal ? kConventionalEnd : low_memory_end(memory)) - start;
  if (file->size == 0 || file->size > limit) {
    return fail(ErrorKind::kInvalidArgument, "payload: {}: has {} bytes; it must have 1 to {}",
                path, file->size, limit);
  }
  VIRIDIAN_TRY(read_into(*file, 0, *memory.window(Gpa{start}, file->size)));
  return EntryPoint{.mode = mode, .rip = start};
}

}  // namespace viridian::vmm
