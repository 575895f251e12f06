// The guest's RAM: one memfd, mapped once, given to KVM in one or two slots (below and above the
// hole of memory_map.h). A file descriptor, so that another process can map the same memory.
#pragma once

#include <cstdint>

#include "base/guest_memory.h"
#include "base/result.h"
#include "io/unique_fd.h"
#include "vmm-minimal/kvm.h"

namespace viridian::vmm {

class GuestRam {
 public:
  static constexpr uint64_t kMinBytes = 2 << 20;

  // `size_bytes` is a multiple of a page, and no more than the host has.
  static Result<GuestRam> allocate(uint64_t size_bytes);
  GuestRam(GuestRam&& other) noexcept;
  GuestRam& operator=(GuestRam&&) = delete;
  ~GuestRam();

  Result<void> map_into(Vm& vm) const;

  const GuestMemory& memory() const { return memory_; }
  uint64_t size_bytes() const { return bytes_.size(); }
  uint64_t low_bytes() const;   // below the hole
  uint64_t high_bytes() const;  // from 4 GiB
  int fd() const { return fd_.get(); }

 private:
  GuestRam() = default;

  UniqueFd fd_;
  std::span<std::byte> bytes_;
  GuestMemory memory_;
};

}  // namespace viridian::vmm
