#include "vmm-minimal/guest_ram.h"

#include <sys/mman.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/checked.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr uint64_t kPage = 4096;

uint64_t host_memory_bytes() {
  struct sysinfo info {};
  return ::sysinfo(&info) == 0 ? uint64_t{info.totalram} * info.mem_unit : 0;
}

}  // namespace

Result<GuestRam> GuestRam::allocate(uint64_t size_bytes) {
  const uint64_t host = host_memory_bytes();
  if (size_bytes < kMinBytes || !is_aligned(size_bytes, kPage) || size_bytes > host) {
    return fail(ErrorKind::kInvalidArgument,
                "memory: {} bytes; it must be a multiple of 4096, at least {} and at most what "
                "this machine has ({})",
                size_bytes, kMinBytes, host);
  }
  GuestRam ram;
  ram.fd_ = UniqueFd(::memfd_create("guest-ram", MFD_CLOEXEC));
  if (!ram.fd_) return fail_errno("memfd_create", errno);
  if (::ftruncate(ram.fd(), static_cast<off_t>(size_bytes)) < 0) {
    return fail_errno("memory: ftruncate", errno);
  }
  void* base =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ram.fd(), 0);
  if (base == MAP_FAILED) return fail_errno("memory: mmap", errno);
  ram.bytes_ = {static_cast<std::byte*>(base), size_bytes};
  // Guest memory is the guest's secret, and would make every core dump as large as the guest.
  ::madvise(base, size_bytes, MADV_DONTDUMP);
  VIRIDIAN_TRY(ram.memory_.add_region(Gpa{0}, ram.bytes_.first(ram.low_bytes())));
  if (ram.high_bytes() > 0) {
    VIRIDIAN_TRY(ram.memory_.add_region(Gpa{kHighMemoryBase}, ram.bytes_.subspan(ram.low_bytes())));
  }
  return ram;
}

GuestRam::GuestRam(GuestRam&& other) noexcept
    : fd_(std::move(other.fd_)),
      bytes_(std::exchange(other.bytes_, {})),
      memory_(std::move(other.memory_)) {}

GuestRam::~GuestRam() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

uint64_t GuestRam::low_bytes() const { return std::min<uint64_t>(bytes_.size(), kLowMemoryEnd); }
uint64_t GuestRam::high_bytes() const { return bytes_.size() - low_bytes(); }

Result<void> GuestRam::map_into(Vm& vm) const {
  for (const GuestMemory::Region& region : memory_.regions()) {
    VIRIDIAN_TRY(vm.add_memory(region.base, region.bytes));
  }
  return {};
}

}  // namespace viridian::vmm
