// Doorbells of a PCI function on the real /dev/kvm: a guest's write to one is a ring of its eventfd
// that makes no exit, wherever the BAR is, and ends with the bus. Without /dev/kvm it is skipped.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "tests/unit/vmm-minimal/fake_pci_function.h"
#include "vmm-minimal/cpuid.h"
#include "vmm-minimal/guest_ram.h"
#include "vmm-minimal/loader.h"
#include "vmm-minimal/memory_map.h"
#include "vmm-minimal/pci_bus.h"
#include "vmm-minimal/stop_switch.h"
#include "vmm-minimal/vcpu.h"

namespace viridian::vmm {
namespace {

constexpr uint32_t kPortBell = 8, kMemoryBell = 16;
constexpr uint16_t kFirstBase = 0xC000, kMovedBase = 0xD000;

class StopPort final : public pci::PortDevice {
 public:
  explicit StopPort(PowerControl& power) : power_(power) {}
  std::span<const pci::PortRange> port_ranges() const noexcept override { return kRanges; }
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t, unsigned) noexcept override { return 0; }
  void port_write(uint16_t, unsigned, uint32_t) noexcept override {
    power_.stop(StopReason::kPowerOff);
  }

 private:
  static constexpr std::array<pci::PortRange, 1> kRanges = {{{0x11, 1}}};
  PowerControl& power_;
  pci::Gate gate_;
};

class PciDoorbellOnKvm : public testing::Test {
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
    ASSERT_TRUE(io_->add("stop", stop_port_));
    function_.bells = {{0, kPortBell, event_.get()}, {1, kMemoryBell, event_.get()}};
    bus_ = std::move(*PciBus::create(*io_, vm_.get()));
    ASSERT_TRUE(bus_->add(5, 0, "function", function_));
    bus_->assign_resources();
  }

  // The guest writes four bytes to both doorbells, two to the first, and stops the machine.
  void run(uint16_t port_base) {
    const auto port = static_cast<uint16_t>(port_base + kPortBell);
    const auto memory = static_cast<uint32_t>(kPciWindowBase) + kMemoryBell;
    std::vector<uint8_t> code = {0x66,
                                 0xBA,
                                 static_cast<uint8_t>(port),
                                 static_cast<uint8_t>(port >> 8),  // mov dx, port
                                 0xEF,                             // out dx, eax
                                 0x66,
                                 0xEF,   // out dx, ax
                                 0xB8};  // mov eax, memory
    for (unsigned i = 0; i < 4; ++i)
      code.push_back(static_cast<uint8_t>(memory >> (8 * i)));
    code.insert(code.end(), {0x89, 0x00,  // mov [rax], eax
                             0xE6, 0x11,  // out 11h, al
                             0xF4});      // hlt
    ASSERT_TRUE(ram_->memory().write(Gpa{kPayloadLong}, std::as_bytes(std::span(code))));
    auto sregs = vcpu_->get_sregs();
    ASSERT_TRUE(sregs);
    const kvm_regs regs =
        prepare_cpu(ram_->memory(), {.mode = CpuMode::kLong, .rip = kPayloadLong}, *sregs);
    ASSERT_TRUE(vcpu_->set_state(regs, *sregs));
    vcpu_->start({.bus = *io_, .power = stop_, .msrs = nullptr, .hypercalls = nullptr});
    pollfd wait{.fd = stop_.event(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&wait, 1, 60'000), 1);
    vcpu_->request_stop();
    vcpu_->join();
  }
  uint64_t rings() const {
    uint64_t count = 0;
    return ::read(event_.get(), &count, sizeof(count)) == sizeof(count) ? count : 0;
  }
  void config_out(uint8_t reg, uint32_t value) {
    const uint32_t address = 0x80000000 | 5 << 11 | reg;
    io_->port_write(0xCF8, 4, std::as_bytes(std::span(&address, 1)));
    io_->port_write(0xCFC, 4, std::as_bytes(std::span(&value, 1)));
  }

  UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::optional<Kvm> kvm_;
  std::optional<GuestRam> ram_;
  std::unique_ptr<Vm> vm_;
  StopSwitch stop_;
  std::unique_ptr<IoBus> io_ = std::make_unique<IoBus>();
  StopPort stop_port_{stop_};
  FakePciFunction function_;
  std::unique_ptr<PciBus> bus_;
  std::unique_ptr<Vcpu> vcpu_;
};

TEST_F(PciDoorbellOnKvm, AWholeWriteRingsAndANarrowOneReachesTheFunction) {
  run(kFirstBase);
  EXPECT_EQ(rings(), 2u);
  EXPECT_EQ(function_.writes, 1u);
  EXPECT_EQ(function_.last_offset, kPortBell);
  EXPECT_EQ(vcpu_->counters().exits(ExitKind::kPortOut), 2u);  // the narrow one, and the stop
  EXPECT_EQ(vcpu_->counters().exits(ExitKind::kMmioWrite), 0u);
}

TEST_F(PciDoorbellOnKvm, TheDoorbellMovesWithItsBar) {
  config_out(pci::reg::kBar0, kMovedBase);
  run(kMovedBase);
  EXPECT_EQ(rings(), 2u);
  EXPECT_EQ(function_.writes, 1u);
}

TEST_F(PciDoorbellOnKvm, WhereTheBarWasNothingRings) {
  config_out(pci::reg::kBar0, kMovedBase);
  run(kFirstBase);
  EXPECT_EQ(rings(), 1u);  // the one in memory
  EXPECT_EQ(function_.writes, 0u);
}

TEST_F(PciDoorbellOnKvm, AfterResetNothingRings) {
  bus_->reset();
  run(kFirstBase);
  EXPECT_EQ(rings(), 0u);
  EXPECT_EQ(function_.writes, 0u);
}

TEST_F(PciDoorbellOnKvm, WithTheBusTheDoorbellsGo) {
  bus_.reset();
  EXPECT_TRUE(vm_->add_port_doorbell(kFirstBase + kPortBell, 4, std::nullopt, event_.get()))
      << "KVM has the old one still";
  EXPECT_TRUE(vm_->add_mmio_doorbell(kPciWindowBase + kMemoryBell, 4, std::nullopt, event_.get()));
}

}  // namespace
}  // namespace viridian::vmm
