// A KVM structure that ends in a flexible array member, which C++ cannot declare with a length:
// kvm_cpuid2, kvm_irq_routing, kvm_msrs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace viridian::vmm {

template <class Header, class Entry>
class KvmList {
 public:
  explicit KvmList(size_t count) : bytes_(sizeof(Header) + count * sizeof(Entry)), count_(count) {}

  // The interface's structure over our bytes; operator new aligns them for any type.
  Header* header() { return reinterpret_cast<Header*>(bytes_.data()); }
  std::span<Entry> entries() {
    return {reinterpret_cast<Entry*>(bytes_.data() + sizeof(Header)), count_};
  }

 private:
  std::vector<std::byte> bytes_;
  size_t count_;
};

}  // namespace viridian::vmm
