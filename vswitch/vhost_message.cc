#include "vswitch/vhost_message.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "base/checked.h"

namespace viridian::vswitch {
namespace {

constexpr size_t kMostRegions = 8;  // of rte_vhost

struct Region {
  le64 guest_address;
  le64 bytes;
  le64 user_address;
  le64 file_offset;
};
static_assert(WireStruct<Region> && sizeof(Region) == 32);

struct Context {
  VhostMessage start;
  std::array<Region, kMostRegions> regions;
  std::array<std::byte, 368> more;  // the longest payload has 632 bytes
  std::array<le32, kMostRegions> files;
  le32 file_count;
};
static_assert(WireStruct<Context> && offsetof(Context, files) == 12 + 632);

Context context_of(const void* message) {
  Context copy;
  std::memcpy(&copy, message, sizeof(copy));
  return copy;
}

int file_of(const Context& context, size_t index) {
  return static_cast<int>(context.files[index].get());
}

struct Mapping {
  void* address = MAP_FAILED;
  size_t bytes = 0;

  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (address != MAP_FAILED) ::munmap(address, bytes);
  }
};

bool map(const Region& region, int file, Mapping& mapping) {
  if (region.bytes.get() == 0) return false;  // rte_vhost says that it overflows
  struct stat status = {};
  if (::fstat(file, &status) != 0 || status.st_blksize <= 0) return false;
  const auto block = static_cast<uint64_t>(status.st_blksize);
  const auto end = checked_add(region.bytes.get(), region.file_offset.get());
  const auto padded = end ? checked_add(*end, block - 1) : std::nullopt;
  if (!padded) return false;
  mapping.bytes = *padded / block * block;
  if (mapping.bytes == 0) return false;
  mapping.address = ::mmap(nullptr, mapping.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return mapping.address != MAP_FAILED;
}

}  // namespace

bool memory_can_be_mapped(const void* message) {
  const Context context = context_of(message);
  const uint32_t count = context.start.first.get();
  if (count > kMostRegions || context.file_count.get() != count) return false;
  std::array<Mapping, kMostRegions> mappings;  // all at a time
  for (size_t i = 0; i < count; ++i) {
    if (!map(context.regions[i], file_of(context, i), mappings[i])) return false;
  }
  return true;
}

void close_files(const void* message) {
  const Context context = context_of(message);
  for (size_t i = 0; i < kMostRegions && i < context.file_count.get(); ++i)
    ::close(file_of(context, i));
}

}  // namespace viridian::vswitch
