// KVM's lists: a count, a second word, then the entries (kvm_cpuid2, kvm_irq_routing, kvm_msrs).
//
// The kernel's own structures cannot be used: they end in a flexible array member behind an empty
// struct, which has size 0 in C and 1 in C++ (Linux 6.1's stddef.h), so that their sizes, and the
// ioctl numbers that are made of them, come out wrong.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace viridian::vmm {

struct KvmListHead {
  uint32_t count;
  uint32_t flags;  // or padding
};
static_assert(sizeof(KvmListHead) == 8);

constexpr unsigned long kKvmGetSupportedCpuid = _IOWR(KVMIO, 0x05, KvmListHead);
constexpr unsigned long kKvmSetCpuid2 = _IOW(KVMIO, 0x90, KvmListHead);
constexpr unsigned long kKvmSetGsiRouting = _IOW(KVMIO, 0x6A, KvmListHead);
constexpr unsigned long kKvmGetMsrs = _IOWR(KVMIO, 0x88, KvmListHead);
constexpr unsigned long kKvmSetMsrs = _IOW(KVMIO, 0x89, KvmListHead);

template <class Entry>
class KvmList {
 public:
  explicit KvmList(size_t count) : bytes_(sizeof(KvmListHead) + count * sizeof(Entry)) {
    head()->count = static_cast<uint32_t>(count);
  }

  // The interface's structures over our bytes, which operator new aligns for any type.
  KvmListHead* head() { return reinterpret_cast<KvmListHead*>(bytes_.data()); }
  std::span<Entry> entries() {
    // As above: the entries follow the head.
    return {reinterpret_cast<Entry*>(bytes_.data() + sizeof(KvmListHead)), head()->count};
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace viridian::vmm
