#include "vmm-minimal/hypercall_page.h"

#include <array>
#include <cstdint>

#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

// Arguments come as TLFS 3.7 says. 64-bit: RCX control, RDX input, R8 output; RAX result.
// 32-bit: EDX:EAX control, EBX:ECX input, EDI:ESI output; EDX:EAX result.
// 1005Dh is HvSignalEvent with its 8 bytes of input in the register: connection id, flag number.
// In 32-bit code ECX never has that value: it is no connection id of ours and no aligned address.
// Sixteen bytes per line would be shorter; one instruction per line can be checked.
constexpr uint8_t kSignal = kSignalPort, kHypercall = kHypercallPort;
constexpr auto kCode = std::to_array<uint8_t>({
    0xF3, 0x0F, 0x1E, 0xFA,              // 00 endbr64: guests with IBT refuse a page without it
    0x81, 0xF9, 0x5D, 0x00, 0x01, 0x00,  // 04 cmp ecx, 1005Dh
    0x75, 0x13,                          // 0A jne other (1Fh)
    0x48, 0x89, 0xD0,                    // 0C mov rax, rdx
    0x48, 0xC1, 0xE8, 0x20,              // 0F shr rax, 32
    0x75, 0x1D,                          // 13 jne call (32h): it has a flag number
    0x89, 0xD0,                          // 15 mov eax, edx: the connection id
    0xE7, kSignal,                       // 17 out kSignal, eax
    0x31, 0xC0,                          // 19 xor eax, eax: HV_STATUS_SUCCESS
    0xC3,                                // 1B ret
    0xCC, 0xCC, 0xCC,                    // 1C
    // other: which mode is this? The byte 40h is INC EAX, or a prefix that does nothing.
    0x50,              // 1F push rax
    0x31, 0xC0,        // 20 xor eax, eax
    0x40, 0x90,        // 22 inc eax; nop (32-bit) or nop (64-bit)
    0x85, 0xC0,        // 24 test eax, eax
    0x58,              // 26 pop rax: leaves the flags
    0x74, 0x09,        // 27 je call (32h)
    0xEB, 0x0F,        // 29 jmp call32 (3Ah)
    0xCC, 0xCC, 0xCC,  // 2B
    0xCC, 0xCC, 0xCC, 0xCC,
    // call: user space reads RCX, RDX and R8 and puts the status into EAX, which clears RAX's top.
    0xE5, kHypercall,              // 32 in eax, kHypercall
    0xC3,                          // 34 ret
    0xCC, 0xCC, 0xCC, 0xCC, 0xCC,  // 35
    // call32: the same arguments where the 64-bit caller has them. An input above 4 GiB has no
    // place there: its control becomes 0, an invalid call.
    0x89, 0xCA,                          // 3A mov edx, ecx
    0x89, 0xC1,                          // 3C mov ecx, eax
    0x81, 0xF9, 0x5D, 0x00, 0x01, 0x00,  // 3E cmp ecx, 1005Dh
    0x75, 0x0E,                          // 44 jne input (54h)
    0x85, 0xDB,                          // 46 test ebx, ebx
    0x75, 0x0E,                          // 48 jne high (58h)
    0x89, 0xD0,                          // 4A mov eax, edx
    0xE7, kSignal,                       // 4C out kSignal, eax
    0x31, 0xC0,                          // 4E xor eax, eax
    0x31, 0xD2,                          // 50 xor edx, edx
    0xC3,                                // 52 ret
    0xCC,                                // 53
    0x85, 0xDB,                          // 54 input: test ebx, ebx
    0x74, 0x02,                          // 56 je 5Ah
    0x31, 0xC9,                          // 58 high: xor ecx, ecx
    0xE5, kHypercall,                    // 5A in eax, kHypercall
    0x31, 0xD2,                          // 5C xor edx, edx
    0xC3,                                // 5E ret
});
static_assert(kCode.size() == 0x5F);

}  // namespace

std::span<const std::byte> hypercall_page_code() { return std::as_bytes(std::span(kCode)); }

}  // namespace viridian::vmm
