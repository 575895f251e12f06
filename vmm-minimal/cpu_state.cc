// The first processor's registers: prepare_cpu() of loader.h.
// Intel SDM volume 3A, 9.8.5 (entering IA-32e mode) and 4.5 (its page tables); the Linux boot
// protocol's "64-bit Boot Protocol" fixes the selectors.
#include <array>

#include "base/endian.h"
#include "vmm-minimal/loader.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr uint64_t kCr0Pe = 1, kCr0Et = 1 << 4, kCr0Ne = 1 << 5, kCr0Pg = 1u << 31;
constexpr uint64_t kCr4Pae = 1 << 5;
constexpr uint64_t kEferLme = 1 << 8, kEferLma = 1 << 10;
constexpr uint64_t kRflagsReserved = 2;
constexpr uint64_t kPresentWritable = 3, kLargePage = 1 << 7;
constexpr uint16_t kCodeSelector = 0x10, kDataSelector = 0x18, kTaskSelector = 0x20;
constexpr uint64_t kPage = 4096, kTwoMiB = 2 << 20;
constexpr uint64_t kIdentityGiB = 4;

// GDT entries as the processor reads them: SDM 3A, figure 3-8.
constexpr uint64_t kGdtCode64 = 0x00AF'9B00'0000'FFFF, kGdtData = 0x00CF'9300'0000'FFFF;

void write_page_tables(const GuestMemory& memory) {
  const uint64_t pdpt = kPageTables + kPage, directories = kPageTables + 2 * kPage;
  memory.write(Gpa{kPageTables}, le64(pdpt | kPresentWritable));
  for (uint64_t gib = 0; gib < kIdentityGiB; ++gib) {
    memory.write(Gpa{pdpt + 8 * gib}, le64((directories + gib * kPage) | kPresentWritable));
  }
  for (uint64_t i = 0; i < kIdentityGiB * 512; ++i) {
    memory.write(Gpa{directories + 8 * i}, le64(i * kTwoMiB | kPresentWritable | kLargePage));
  }
}

kvm_segment segment(uint16_t selector, uint8_t type, bool long_mode) {
  kvm_segment result{};
  result.limit = 0xFFFF'FFFF;
  result.selector = selector;
  result.type = type;
  result.present = 1;
  result.s = 1;
  result.g = 1;
  result.l = long_mode;
  result.db = !long_mode;
  return result;
}

void enter_long_mode(const GuestMemory& memory, kvm_sregs& sregs) {
  write_page_tables(memory);
  const std::array<le64, 4> gdt = {0, 0, kGdtCode64, kGdtData};
  memory.write(Gpa{kGdt}, std::as_bytes(std::span(gdt)));
  sregs.gdt.base = kGdt;
  sregs.gdt.limit = sizeof(gdt) - 1;
  sregs.idt.base = 0;
  sregs.idt.limit = 0;
  sregs.cs = segment(kCodeSelector, 0xB, true);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(kDataSelector, 3, false);
  sregs.tr = segment(kTaskSelector, 0xB, false);
  sregs.tr.s = 0;
  sregs.tr.limit = 0x67;
  sregs.tr.g = sregs.tr.db = 0;
  sregs.cr3 = kPageTables;
  sregs.cr4 = kCr4Pae;
  sregs.cr0 = kCr0Pe | kCr0Et | kCr0Ne | kCr0Pg;
  sregs.efer = kEferLme | kEferLma;
}

}  // namespace

kvm_regs prepare_cpu(const GuestMemory& memory, const EntryPoint& entry, kvm_sregs& sregs) {
  kvm_regs regs{};
  regs.rflags = kRflagsReserved;
  regs.rip = entry.rip;
  regs.rsi = entry.rsi;
  if (entry.mode == CpuMode::kReal) {
    // As after INIT, but with every segment at 0 and the code where it was loaded.
    for (kvm_segment* s : {&sregs.cs, &sregs.ds, &sregs.es, &sregs.fs, &sregs.gs, &sregs.ss}) {
      s->base = 0;
      s->selector = 0;
    }
    regs.rsp = kPayloadReal;
    return regs;
  }
  enter_long_mode(memory, sregs);
  regs.rsp = kBootStack;
  return regs;
}

}  // namespace viridian::vmm
