// Tiny guests on the real /dev/kvm: what a vCPU's thread does with each kind of exit. They run on
// every KVM, also one that interprets; without access to /dev/kvm they are skipped.
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <initializer_list>
#include <thread>

#include "vmm-minimal/cpuid.h"
#include "vmm-minimal/guest_ram.h"
#include "vmm-minimal/loader.h"
#include "vmm-minimal/memory_map.h"
#include "vmm-minimal/stop_switch.h"
#include "vmm-minimal/vcpu.h"

namespace viridian::vmm {
namespace {

constexpr uint64_t kUnbackedAddress = 0xE000'0000;

// Port 10h: keeps what is written, gives 40h + n for the nth read. Port 11h stops the machine.
class TestPort final : public pci::PortDevice {
 public:
  explicit TestPort(PowerControl& power) : power_(power) {}
  std::span<const pci::PortRange> port_ranges() const noexcept override { return kRanges; }
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t, unsigned) noexcept override { return 0x40 + reads_++; }
  void port_write(uint16_t port, unsigned, uint32_t value) noexcept override {
    if (port == kRanges[0].base + 1) return power_.stop(StopReason::kPowerOff);
    written.push_back(value);
  }
  std::vector<uint32_t> written;

 private:
  static constexpr std::array<pci::PortRange, 1> kRanges = {{{0x10, 2}}};
  PowerControl& power_;
  pci::Gate gate_;
  uint32_t reads_ = 0;
};

class TestMsrs final : public MsrDevice {
 public:
  std::optional<uint64_t> msr_read(unsigned, uint32_t msr) noexcept override {
    return msr == 0x4000'0002 ? std::optional<uint64_t>(0x77) : std::nullopt;
  }
  bool msr_write(unsigned, uint32_t msr, uint64_t value) noexcept override {
    last = {msr, value};
    return true;
  }
  std::pair<uint32_t, uint64_t> last{};
};

class TestHypercalls final : public HypercallDevice {
 public:
  uint32_t hypercall(unsigned, const HypercallRegisters& registers) noexcept override {
    last = registers;
    return 0x12;
  }
  HypercallRegisters last{};
};

class VcpuOnKvm : public testing::Test {
 protected:
  void SetUp() override {
    auto kvm = Kvm::open();
    if (!kvm) GTEST_SKIP() << kvm.error().message;
    kvm_.emplace(std::move(*kvm));
    ram_.emplace(std::move(*GuestRam::allocate(4 << 20)));
    vm_ = std::move(*Vm::create(*kvm_));
    ASSERT_TRUE(ram_->map_into(*vm_));
    vcpu_ = std::move(*Vcpu::create(*kvm_, *vm_, 0));
    ASSERT_TRUE(vcpu_->set_cpuid(guest_cpuid(*kvm_->supported_cpuid(), 0, 1)));
    ASSERT_TRUE(bus_->add("test", port_));
  }

  // Starts the 64-bit `code` and waits until something stops the machine.
  void run(std::initializer_list<uint8_t> code) {
    start(code);
    uint64_t stops = 0;
    pollfd wait{.fd = stop_.event(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&wait, 1, 60'000), 1);
    ASSERT_EQ(::read(stop_.event(), &stops, sizeof(stops)), 8);
    vcpu_->request_stop();
    vcpu_->join();
  }
  void start(std::initializer_list<uint8_t> code) {
    ASSERT_TRUE(ram_->memory().write(Gpa{kPayloadLong}, std::as_bytes(std::span(code))));
    constexpr uint8_t kHalt =
        0xF4;  // with interrupts off: what runs on after the code goes no further
    ASSERT_TRUE(
        ram_->memory().write(Gpa{kPayloadLong + code.size()}, std::as_bytes(std::span(&kHalt, 1))));
    auto sregs = vcpu_->get_sregs();
    ASSERT_TRUE(sregs);
    const kvm_regs regs =
        prepare_cpu(ram_->memory(), {.mode = CpuMode::kLong, .rip = kPayloadLong}, *sregs);
    ASSERT_TRUE(vcpu_->set_state(regs, *sregs));
    vcpu_->start({.bus = *bus_, .power = stop_, .msrs = &msrs_, .hypercalls = &hypercalls_});
  }

  std::optional<Kvm> kvm_;
  std::optional<GuestRam> ram_;
  std::unique_ptr<Vm> vm_;
  StopSwitch stop_;
  std::unique_ptr<IoBus> bus_ = std::make_unique<IoBus>();
  TestPort port_{stop_};
  TestMsrs msrs_;
  TestHypercalls hypercalls_;
  std::unique_ptr<Vcpu> vcpu_;
};

TEST_F(VcpuOnKvm, PortsReachTheBusInBothDirections) {
  run({0xE4, 0x10,    // in al, 10h
       0xE6, 0x10,    // out 10h, al
       0xE6, 0x11});  // out 11h, al
  EXPECT_EQ(stop_.reason(), StopReason::kPowerOff);
  EXPECT_EQ(port_.written, std::vector<uint32_t>{0x40});
  EXPECT_EQ(vcpu_->counters().port_count(0x10, false), 1u);
  EXPECT_EQ(vcpu_->counters().exits(ExitKind::kPortOut), 2u);
  EXPECT_TRUE(vcpu_->failure().empty());
}

TEST_F(VcpuOnKvm, StringOutArrivesInOrder) {
  run({0xFC,                          // cld
       0xBE, 0x00, 0x00, 0x10, 0x00,  // mov esi, 100000h: this code
       0xB9, 0x03, 0x00, 0x00, 0x00,  // mov ecx, 3
       0x66, 0xBA, 0x10, 0x00,        // mov dx, 10h
       0xF3, 0x6E,                    // rep outsb
       0xE6, 0x11});
  EXPECT_EQ(port_.written, (std::vector<uint32_t>{0xFC, 0xBE, 0x00}));
}

TEST_F(VcpuOnKvm, AddressOfNobodyReadsAsOnes) {
  run({0xB8, 0x00, 0x00, 0x00, 0xE0,  // mov eax, E0000000h
       0x8B, 0x00,                    // mov eax, [rax]
       0xE7, 0x10,                    // out 10h, eax
       0xE6, 0x11});
  static_assert(kUnbackedAddress == 0xE000'0000);
  EXPECT_EQ(port_.written, std::vector<uint32_t>{0xFFFF'FFFF});
  EXPECT_EQ(vcpu_->counters().exits(ExitKind::kMmioRead), 1u);
}

TEST_F(VcpuOnKvm, SyntheticMsrsGoToTheirDevice) {
  run({0xB9, 0x02, 0x00, 0x00, 0x40,  // mov ecx, 40000002h
       0x0F, 0x32,                    // rdmsr
       0xE6, 0x10,                    // out 10h, al
       0xB9, 0x73, 0x00, 0x00, 0x40,  // mov ecx, 40000073h
       0xBA, 0x01, 0x00, 0x00, 0x00,  // mov edx, 1
       0x0F, 0x30,                    // wrmsr
       0xE6, 0x11});
  EXPECT_EQ(port_.written, std::vector<uint32_t>{0x77});
  EXPECT_EQ(msrs_.last, std::pair(0x4000'0073u, uint64_t{0x1'0000'0077}));
  EXPECT_EQ(vcpu_->counters().exits(ExitKind::kMsrWrite), 1u);
}

TEST_F(VcpuOnKvm, HypercallPortHandsOverItsRegisters) {
  run({0xB9, 0x5C,
       0x00, 0x00,
       0x00,  // mov ecx, 5Ch
       0xBA, 0x34,
       0x12, 0x00,
       0x00,  // mov edx, 1234h
       0x41, 0xB8,
       0x78, 0x56,
       0x00, 0x00,                                  // mov r8d, 5678h
       0xE5, static_cast<uint8_t>(kHypercallPort),  // in eax, E8h
       0xE6, 0x10,
       0xE6, 0x11});
  EXPECT_EQ(hypercalls_.last.rcx, 0x5Cu);
  EXPECT_EQ(hypercalls_.last.rdx, 0x1234u);
  EXPECT_EQ(hypercalls_.last.r8, 0x5678u);
  EXPECT_EQ(port_.written, std::vector<uint32_t>{0x12});
}

TEST_F(VcpuOnKvm, TripleFaultStopsTheMachineAndSaysWhere) {
  run({0x0F, 0x0B});  // ud2 with an empty interrupt table
  EXPECT_EQ(stop_.reason(), StopReason::kTripleFault);
  EXPECT_NE(vcpu_->failure().find("vcpu 0: "), std::string::npos) << vcpu_->failure();
  EXPECT_NE(vcpu_->failure().find("RIP 0x"), std::string::npos) << vcpu_->failure();
}

TEST_F(VcpuOnKvm, EndlessLoopEndsWhenAsked) {
  start({0xE6, 0x10,    // out 10h, al: the guest has begun
         0xEB, 0xFE});  // jmp to itself
  while (vcpu_->counters().port_count(0x10, true) == 0)
    std::this_thread::yield();
  vcpu_->request_stop();
  vcpu_->join();
  EXPECT_EQ(stop_.reason(), StopReason::kNone);
}

TEST_F(VcpuOnKvm, HaltedProcessorEndsWhenAsked) {
  start({0xE6, 0x10, 0xFA, 0xF4});  // cli; hlt
  while (vcpu_->counters().port_count(0x10, true) == 0)
    std::this_thread::yield();
  vcpu_->request_stop();
  vcpu_->join();
  EXPECT_EQ(stop_.reason(), StopReason::kNone);
}

TEST(KvmAccess, MissingDeviceSaysWhatToDo) {
  const auto kvm = Kvm::open("/nonexistent/kvm");
  ASSERT_FALSE(kvm);
  EXPECT_NE(kvm.error().message.find("load the module"), std::string::npos);
}

TEST(KvmAccess, SomethingElseThanKvmIsRefused) {
  const auto kvm = Kvm::open("/dev/null");
  ASSERT_FALSE(kvm);
  EXPECT_TRUE(kvm.error().message.starts_with("/dev/null: ")) << kvm.error().message;
}

}  // namespace
}  // namespace viridian::vmm
