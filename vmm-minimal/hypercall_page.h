// The code that a guest calls to make a hypercall. TLFS 3.13. It is written for a hypervisor that
// is a user-space program: HvSignalEvent becomes an OUT that an ioeventfd takes inside KVM, every
// other call an IN that exits. There is no VMCALL, which some nested KVMs never hand on.
#pragma once

#include <cstddef>
#include <span>

namespace viridian::vmm {

// The page's first bytes; the rest of the page is to be filled with INT3 (CCh). One code serves
// 64-bit and 32-bit callers.
std::span<const std::byte> hypercall_page_code();

}  // namespace viridian::vmm
