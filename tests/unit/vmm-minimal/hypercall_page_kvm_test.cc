// The hypercall page and the SynIC on a real KVM: a payload of some instructions writes the MSRs,
// calls the page as a 64-bit and as a 32-bit guest, and takes the message's interrupt.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "io/unique_fd.h"
#include "vmm-minimal/acpi_pm.h"
#include "vmm-minimal/cpuid.h"
#include "vmm-minimal/guest_ram.h"
#include "vmm-minimal/hyperv.h"
#include "vmm-minimal/kvm_synic.h"
#include "vmm-minimal/loader.h"
#include "vmm-minimal/stop_switch.h"
#include "vmm-minimal/vcpu.h"

// Runs at 1 MiB. 200000h: hypercall page; 201000h: SIMP; 202000h: SIEFP; 203000h: the input of
// HvPostMessage; 204000h: IDT; 205000h: its descriptor; 206000h: results, four bytes each.
asm(R"(
    .intel_syntax noprefix
    .section .rodata
    .global payload_start, payload_end, payload_interrupt
payload_start:
    mov ebx, 0x206000
    mov ecx, 0x40000000             # GUEST_OS_ID: Linux
    xor eax, eax
    mov edx, 0x81000000
    wrmsr
    mov ecx, 0x40000001             # HYPERCALL: the page, enabled
    mov eax, 0x200001
    xor edx, edx
    wrmsr
    rdmsr
    mov [rbx], eax                  # result 0
    mov ecx, 0x40000083             # SIMP
    mov eax, 0x201001
    xor edx, edx
    wrmsr
    mov ecx, 0x40000082             # SIEFP
    mov eax, 0x202001
    wrmsr
    mov ecx, 0x40000092             # SINT2: vector F3h
    mov eax, 0xF3
    wrmsr
    mov ecx, 0x40000080             # SCONTROL
    mov eax, 1
    wrmsr
    mov eax, 0x205000
    lidt [rax]
    mov eax, 0xFEE000F0             # the local APIC's spurious vector register: on
    mov dword ptr [rax], 0x1FF

    mov esi, 0x200000
    mov ecx, 0x1005D                # HvSignalEvent, fast, on a connection with a doorbell
    mov edx, 0x2001
    call rsi
    mov [rbx + 4], eax
    mov ecx, 0x1005D                # on one without: user space counts it
    mov edx, 0x77
    call rsi
    mov [rbx + 8], eax
    mov ecx, 0x1005D                # with a flag number: the slow way
    mov rdx, 0x100002001
    call rsi
    mov [rbx + 12], eax
    mov ecx, 0x5C                   # HvPostMessage
    mov edx, 0x203000
    call rsi
    mov [rbx + 16], eax
    mov ecx, 0x99                   # no such call
    call rsi
    mov [rbx + 20], eax

wait_for_message:
    sti
    hlt
    cli
    cmp dword ptr [rbx + 24], 0
    je wait_for_message

    lea rdi, [rip + long_mode_again]
    lea rax, [rip + compatibility_mode]
    push 0x28
    push rax
    retfq
    .code32
compatibility_mode:
    push ebx
    mov eax, 0x1005D
    xor edx, edx
    xor ebx, ebx
    mov ecx, 0x2002
    call esi
    mov ebp, eax
    mov eax, 0x5C
    xor edx, edx
    mov ecx, 0x203000
    call esi
    mov ebx, [esp]
    mov [ebx + 28], ebp
    mov [ebx + 32], eax
    mov [ebx + 36], edx
    mov ebx, 1                      # an input above 4 GiB
    mov eax, 0x5C
    mov ecx, 0x203000
    call esi
    pop ebx
    mov [ebx + 40], eax
    push 0x10
    push edi
    retf
    .code64
long_mode_again:
    mov dx, 0x604                   # switch off
    mov eax, 0x3400
    out dx, ax
    hlt

payload_interrupt:
    push rax
    mov eax, 0x201210               # SINT2's slot: its payload
    mov eax, [rax]
    mov [rbx + 24], eax
    mov eax, 0x201200
    mov dword ptr [rax], 0          # fetched
    mov eax, 0xFEE000B0             # end of interrupt
    mov dword ptr [rax], 0
    pop rax
    iretq
payload_end:
    .text
    .att_syntax
)");

extern "C" const char payload_start[], payload_end[], payload_interrupt[];

namespace viridian::vmm {
namespace {

constexpr uint64_t kInput = 0x203000, kIdt = 0x204000, kIdtr = 0x205000, kResults = 0x206000;
constexpr uint32_t kMemoryBytes = 4 << 20, kGreeting = 0x5EED;
constexpr int kPatienceMs = 60'000;

class HypercallPageOnKvm : public testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "no access to /dev/kvm";
    auto opened = Kvm::open();
    if (!opened) GTEST_SKIP() << opened.error().message;
    kvm.emplace(std::move(*opened));
    auto allocated = GuestRam::allocate(kMemoryBytes);
    ASSERT_TRUE(allocated) << allocated.error().message;
    ram.emplace(std::move(*allocated));
    auto created = Vm::create(*kvm);
    ASSERT_TRUE(created) << created.error().message;
    vm = std::move(*created);
    ASSERT_TRUE(ram->map_into(*vm));
    create_vcpu();
    auto backend = KvmSynic::create(*vm, 1);
    ASSERT_TRUE(backend) << backend.error().message;
    kvm_synic = std::move(*backend);
    synic.emplace(ram->memory(), *kvm_synic, 1);
    hyperv.emplace(ram->memory(), *synic, power, HypervConfig{});
    ASSERT_TRUE(bus.add("hyperv", *hyperv));
    ASSERT_TRUE(bus.add("acpi-pm", acpi_pm));
  }
  void TearDown() override { vcpu.reset(); }

  void create_vcpu() {
    auto created = Vcpu::create(*kvm, *vm, 0);
    ASSERT_TRUE(created) << created.error().message;
    vcpu = std::move(*created);
    const auto supported = kvm->supported_cpuid();
    ASSERT_TRUE(supported);
    auto cpuid = guest_cpuid(*supported, 0, 1);
    apply_hyperv_cpuid(cpuid, {.cpu_count = 1});
    ASSERT_TRUE(vcpu->set_cpuid(cpuid));
    auto sregs = vcpu->get_sregs();
    ASSERT_TRUE(sregs);
    const auto regs =
        prepare_cpu(ram->memory(), {.mode = CpuMode::kLong, .rip = kPayloadLong, .rsi = 0}, *sregs);
    put(kGdt + 0x28, le64{0x00CF'9B00'0000'FFFF});  // 32-bit code
    sregs->gdt.limit = 0x2F;
    sregs->apic_base |= 1 << 11;
    ASSERT_TRUE(vcpu->set_state(regs, *sregs));
    write_payload();
  }
  void write_payload() {
    const std::span code(payload_start, payload_end);
    ASSERT_TRUE(ram->memory().write(Gpa{kPayloadLong}, std::as_bytes(code)));
    // An interrupt gate of long mode: Intel SDM volume 3, 6.14.1.
    const auto handler = static_cast<uint32_t>(kPayloadLong) +
                         static_cast<uint32_t>(payload_interrupt - payload_start);
    put(kIdt + 0xF3 * 16,
        le64{uint64_t{handler >> 16} << 48 | 0x8E00ull << 32 | 0x10ull << 16 | (handler & 0xFFFF)});
    put(kIdtr, le16{0xFFF});
    put(kIdtr + 2, le64{kIdt});
    hv::PostMessageInput input{};
    input.connection_id = 4;
    input.message_type = hv::kMessageChannel;
    input.payload_size = 4;
    put(kInput, input);
  }
  template <WireStruct T>
  void put(uint64_t gpa, const T& value) {
    ASSERT_TRUE(ram->memory().write(Gpa{gpa}, value));
  }
  uint32_t result(unsigned index) { return *ram->memory().read<le32>(Gpa{kResults + 4 * index}); }

  // Until the payload switches the machine off.
  void run() {
    vcpu->start({.bus = bus, .power = power, .msrs = &*hyperv, .hypercalls = &*hyperv});
    pollfd ready{.fd = power.event(), .events = POLLIN, .revents = 0};
    const int stopped = ::poll(&ready, 1, kPatienceMs);
    vcpu->request_stop();
    vcpu->join();
    ASSERT_EQ(stopped, 1) << "the payload did not end";
    ASSERT_EQ(power.reason(), StopReason::kPowerOff) << vcpu->failure();
  }

  std::optional<Kvm> kvm;
  std::optional<GuestRam> ram;
  std::unique_ptr<Vm> vm;
  StopSwitch power;
  AcpiPm acpi_pm{power};
  IoBus bus;
  std::unique_ptr<KvmSynic> kvm_synic;
  std::optional<Synic> synic;
  std::optional<Hyperv> hyperv;
  std::unique_ptr<Vcpu> vcpu;
};

uint64_t rings(const UniqueFd& fd) {
  uint64_t count = 0;
  return ::read(fd.get(), &count, sizeof(count)) == 8 ? count : 0;
}

TEST_F(HypercallPageOnKvm, SignalsPostsAndTakesItsInterrupt) {
  const UniqueFd bell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  const UniqueFd bell32(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_TRUE(synic->add_doorbell(0x2001, bell.get()));
  ASSERT_TRUE(synic->add_doorbell(0x2002, bell32.get()));
  // Answers a message with one to the guest, from another thread as a reactor would.
  struct Answer {
    Synic& synic;
    unsigned posts = 0;
    std::thread thread;
  } answer{*synic, 0, {}};
  hyperv->set_receiver(
      {[](void* context, uint32_t id, std::span<const std::byte>) noexcept -> uint16_t {
         auto& to = *static_cast<Answer*>(context);
         EXPECT_EQ(id, 4u);
         if (to.posts++ == 0) {
           to.thread =
               std::thread([&to] { to.synic.post_message(0, wire_bytes(le32{kGreeting})); });
         }
         return hv::kStatusSuccess;
       },
       &answer});
  run();
  if (answer.thread.joinable()) answer.thread.join();

  EXPECT_EQ(result(0), 0x200001u);  // the page is enabled
  EXPECT_EQ(result(1), hv::kStatusSuccess);
  EXPECT_EQ(rings(bell), 1u);
  EXPECT_EQ(result(2), hv::kStatusSuccess);  // the page cannot know
  EXPECT_EQ(hyperv->faults().of(HypervFault::kUnknownDoorbell), 1u);
  EXPECT_EQ(result(3), hv::kStatusInvalidParameter);
  EXPECT_EQ(result(4), hv::kStatusSuccess);
  EXPECT_EQ(result(5), hv::kStatusInvalidCode);
  EXPECT_EQ(result(6), kGreeting);
  // The same from 32-bit code.
  EXPECT_EQ(rings(bell32), 1u);
  EXPECT_EQ(result(7), hv::kStatusSuccess);
  EXPECT_EQ(result(8), hv::kStatusSuccess);
  EXPECT_EQ(result(9), 0u);  // EDX, the result's high half
  EXPECT_EQ(result(10), hv::kStatusInvalidCode);
  EXPECT_EQ(answer.posts, 2u);
  // Doorbells cost no exit to user space, but for the one that nobody had asked for.
  EXPECT_EQ(vcpu->counters().port_count(kSignalPort, true), 1u);
}

}  // namespace
}  // namespace viridian::vmm
