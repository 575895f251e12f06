// Partition-wide MSRs and hypercalls as a guest uses and misuses them.
#include "vmm-minimal/hyperv.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "io/unique_fd.h"
#include "tests/unit/vmm-minimal/fakes.h"

namespace viridian::vmm {
namespace {

constexpr size_t kMemory = 0x10000;
constexpr uint64_t kLinux = 0x8100ull << 48, kPage = 0x3000, kInput = 0x2000;
constexpr uint64_t kFastSignal = hv::kCallSignalEvent | hv::kCallFast;

struct Received {
  uint32_t connection_id = 0;
  std::string payload;
  uint16_t answer = hv::kStatusSuccess;
  unsigned count = 0;
};

class HypervTest : public testing::Test {
 protected:
  void SetUp() override {
    hyperv.set_receiver(
        {[](void* context, uint32_t id, std::span<const std::byte> payload) noexcept {
           auto& to = *static_cast<Received*>(context);
           to.connection_id = id;
           to.payload.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
           ++to.count;
           return to.answer;
         },
         &received});
  }
  void put_message(uint64_t gpa, uint32_t id, uint32_t type, uint32_t size) {
    hv::PostMessageInput input{};
    input.connection_id = id;
    input.message_type = type;
    input.payload_size = size;
    std::memset(input.payload.data(), 'p', input.payload.size());
    ASSERT_TRUE(memory.memory().write(Gpa{gpa}, input));
  }
  uint32_t call(uint64_t control, uint64_t input) {
    return hyperv.hypercall(0, {.rcx = control, .rdx = input, .r8 = 0});
  }

  TestMemory memory{kMemory};
  InterruptRecorder backend;
  Synic synic{memory.memory(), backend, 2};
  FakePower power;
  Received received;
  Hyperv hyperv{memory.memory(),
                synic,
                power,
                {.features = {.cpu_count = 2, .invariant_tsc = true}, .tsc_hz = 2'500'000'000}};
};

TEST_F(HypervTest, ConstantsReadAsTheMachineIs) {
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrVpIndex), 0u);
  EXPECT_EQ(hyperv.msr_read(1, hv::kMsrVpIndex), 1u);
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrTscFrequency), 2'500'000'000u);
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrApicFrequency), 1'000'000'000u);
  for (const uint32_t msr : {hv::kMsrVpIndex, hv::kMsrTscFrequency, hv::kMsrApicFrequency})
    EXPECT_FALSE(hyperv.msr_write(0, msr, 1)) << msr;
}

TEST_F(HypervTest, WritableRegistersReadBack) {
  EXPECT_TRUE(hyperv.msr_write(1, hv::kMsrVpAssist, 0x7001));
  EXPECT_EQ(hyperv.msr_read(1, hv::kMsrVpAssist), 0x7001u);
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrVpAssist), 0u);
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrTscInvariantControl, 1));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrTscInvariantControl), 1u);
  EXPECT_FALSE(hyperv.msr_write(0, hv::kMsrTscInvariantControl, 2));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrCrash0 + 4, 7));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrCrash0 + 4), 7u);
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrSint0, 0x20));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrSint0), 0x20u);
}

TEST_F(HypervTest, UnknownRegistersFault) {
  for (const uint32_t msr :
       {0x40000003u, 0x40000010u, 0x40000070u, 0x400000B0u, 0x40000106u, 0x400001FFu}) {
    EXPECT_EQ(hyperv.msr_read(0, msr), std::nullopt) << msr;
    EXPECT_FALSE(hyperv.msr_write(0, msr, 0)) << msr;
  }
  EXPECT_EQ(hyperv.faults().of(HypervFault::kUnknownMsr), 12u);
  EXPECT_EQ(hyperv.msr_read(2, hv::kMsrVpIndex), std::nullopt);  // a vp that is not there
  EXPECT_FALSE(hyperv.msr_write(99, hv::kMsrVpAssist, 0));
}

TEST_F(HypervTest, TheHypercallPageIsWrittenOnceTheGuestSaidWhoItIs) {
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrHypercall, kPage | hv::kEnable));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrHypercall), kPage);  // not enabled
  EXPECT_EQ(*memory.at(kPage), std::byte{0});
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrGuestOsId, kLinux));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrHypercall, kPage | hv::kEnable));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrHypercall), kPage | hv::kEnable);
  const uint8_t endbr64[] = {0xF3, 0x0F, 0x1E, 0xFA};
  EXPECT_EQ(std::memcmp(memory.at(kPage), endbr64, 4), 0);
  EXPECT_EQ(*memory.at(kPage + 0xFFF), std::byte{0xCC});
  EXPECT_EQ(*memory.at(kPage + 0x1000), std::byte{0});
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrGuestOsId, 0));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrHypercall), kPage);
}

TEST_F(HypervTest, AHypercallPageOutsideOfMemoryFaults) {
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrGuestOsId, kLinux));
  EXPECT_FALSE(hyperv.msr_write(0, hv::kMsrHypercall, kMemory | hv::kEnable));
  EXPECT_FALSE(hyperv.msr_write(0, hv::kMsrHypercall, ~uint64_t{0} & ~hv::kHypercallLocked));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrHypercall), 0u);
}

TEST_F(HypervTest, ALockedHypercallPageStays) {
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrGuestOsId, kLinux));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrHypercall, kPage | 3));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrHypercall, 0));
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrHypercall), kPage | 3);
}

TEST_F(HypervTest, APostedMessageReachesTheReceiverAndItsAnswerTheGuest) {
  put_message(kInput, 4, hv::kMessageChannel, 16);
  EXPECT_EQ(call(hv::kCallPostMessage, kInput), hv::kStatusSuccess);
  EXPECT_EQ(received.connection_id, 4u);
  EXPECT_EQ(received.payload, std::string(16, 'p'));
  received.answer = hv::kStatusInsufficientBuffers;
  EXPECT_EQ(call(hv::kCallPostMessage, kInput), hv::kStatusInsufficientBuffers);
}

TEST_F(HypervTest, PostedNonsenseIsRefused) {
  put_message(kInput, 1, hv::kMessageChannel, 241);
  EXPECT_EQ(call(hv::kCallPostMessage, kInput), hv::kStatusInvalidParameter);
  put_message(kInput, 1, 0x80000001, 16);  // a type that is the hypervisor's
  EXPECT_EQ(call(hv::kCallPostMessage, kInput), hv::kStatusInvalidParameter);
  put_message(kInput, 1, hv::kMessageChannel, 16);
  EXPECT_EQ(call(hv::kCallPostMessage, kInput + 4), hv::kStatusInvalidAlignment);
  EXPECT_EQ(call(hv::kCallPostMessage, kInput + 0xF08), hv::kStatusInvalidAlignment);
  EXPECT_EQ(call(hv::kCallPostMessage, kMemory), hv::kStatusInvalidParameter);
  EXPECT_EQ(call(hv::kCallPostMessage, ~uint64_t{0xFFF}), hv::kStatusInvalidParameter);
  EXPECT_EQ(call(hv::kCallPostMessage | hv::kCallFast, kInput), hv::kStatusInvalidInput);
  EXPECT_EQ(call(hv::kCallPostMessage | uint64_t{1} << 32, kInput), hv::kStatusInvalidInput);
  EXPECT_EQ(received.count, 0u);
  put_message(kMemory - 256, 1, hv::kMessageChannel, 240);  // the last bytes of memory
  EXPECT_EQ(call(hv::kCallPostMessage, kMemory - 256), hv::kStatusSuccess);
}

TEST_F(HypervTest, WithoutVmbusNoConnectionExists) {
  hyperv.set_receiver({});
  put_message(kInput, 4, hv::kMessageChannel, 16);
  EXPECT_EQ(call(hv::kCallPostMessage, kInput), hv::kStatusInvalidConnectionId);
}

TEST_F(HypervTest, SignalsRingFromARegisterOrFromMemory) {
  const UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_TRUE(synic.add_doorbell(0x10005, fd.get()));
  EXPECT_EQ(call(kFastSignal, 0x10005), hv::kStatusSuccess);
  hv::SignalEventInput input{};
  input.connection_id = 0x10005;
  ASSERT_TRUE(memory.memory().write(Gpa{kInput}, input));
  EXPECT_EQ(call(hv::kCallSignalEvent, kInput), hv::kStatusSuccess);
  uint64_t rings = 0;
  ASSERT_EQ(::read(fd.get(), &rings, sizeof(rings)), 8);
  EXPECT_EQ(rings, 2u);
  EXPECT_EQ(call(kFastSignal, 0x10006), hv::kStatusInvalidConnectionId);
  EXPECT_EQ(call(kFastSignal, uint64_t{1} << 32 | 0x10005), hv::kStatusInvalidParameter);
  EXPECT_EQ(call(hv::kCallSignalEvent, kInput + 1), hv::kStatusInvalidAlignment);
  EXPECT_EQ(call(hv::kCallSignalEvent, kMemory), hv::kStatusInvalidParameter);
}

TEST_F(HypervTest, AMissedDoorbellIsCountedAndStillRings) {
  const UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_TRUE(synic.add_doorbell(7, fd.get()));
  hyperv.port_write(kSignalPort, 4, 7);
  hyperv.port_write(kSignalPort, 4, 8);
  hyperv.port_write(kSignalPort, 1, 7);
  uint64_t rings = 0;
  ASSERT_EQ(::read(fd.get(), &rings, sizeof(rings)), 8);
  EXPECT_EQ(rings, 1u);
  EXPECT_EQ(hyperv.faults().of(HypervFault::kUnknownDoorbell), 2u);
}

TEST_F(HypervTest, EveryOtherCallIsInvalid) {
  for (const uint64_t code : {0x00U, 0x02U, 0x08U, 0x46U, 0x5BU, 0x5EU, 0x8001U, 0xFFFFU})
    EXPECT_EQ(call(code, kInput), hv::kStatusInvalidCode) << code;
  EXPECT_EQ(hyperv.hypercall(2, {.rcx = kFastSignal, .rdx = 0, .r8 = 0}), hv::kStatusInvalidCode);
}

TEST_F(HypervTest, ACrashStopsTheMachineAndShowsItsText) {
  std::memcpy(memory.at(kInput), "Kernel panic\033[31m", 17);
  for (uint32_t i = 0; i < 3; ++i)
    EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrCrash0 + i, 0x10 + i));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrCrash0 + 3, kInput));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrCrash0 + 4, 17));
  testing::internal::CaptureStderr();
  EXPECT_TRUE(
      hyperv.msr_write(0, hv::kMsrCrashControl, hv::kCrashNotify | hv::kCrashNotifyMessage));
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_NE(shown.find("guest panic"), std::string::npos);
  EXPECT_NE(shown.find("Kernel panic?[31m"), std::string::npos) << shown;
  EXPECT_EQ(power.reason(), StopReason::kGuestPanic);
}

TEST_F(HypervTest, ACrashWithAHostileTextIsHarmlessAndShownOnlyAFewTimes) {
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrCrash0 + 3, kMemory - 8));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrCrash0 + 4, ~uint64_t{0}));
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(
        hyperv.msr_write(0, hv::kMsrCrashControl, hv::kCrashNotify | hv::kCrashNotifyMessage));
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 4);
}

class FakeTsc final : public GuestTsc {
 public:
  uint64_t read_tsc(unsigned vp) noexcept override { return 25'000'000'000 + vp; }
};

TEST_F(HypervTest, TheReferenceTscPageAndTheCounterSayTheSame) {
  FakeTsc tsc;
  Hyperv timed(
      memory.memory(), synic, power,
      {.features = {.cpu_count = 2, .reference_tsc = true}, .tsc = &tsc, .tsc_hz = 2'500'000'000});
  EXPECT_EQ(timed.msr_read(0, hv::kMsrReferenceTsc), 0u);
  EXPECT_TRUE(timed.msr_write(0, hv::kMsrReferenceTsc, kPage | hv::kEnable));
  EXPECT_EQ(timed.msr_read(0, hv::kMsrReferenceTsc), kPage | hv::kEnable);
  const auto page = *memory.memory().read<hv::ReferenceTscPage>(Gpa{kPage});
  EXPECT_EQ(page.sequence.get(), 1u);
  EXPECT_EQ(page.offset.get(), 0u);
  // 10 s in units of 100 ns; a scale that is rounded down may lose one.
  const auto count = *timed.msr_read(0, hv::kMsrTimeRefCount);
  EXPECT_NEAR(static_cast<double>(count), 100e6, 1.0);
  __extension__ using uint128 = unsigned __int128;
  EXPECT_EQ(count, static_cast<uint64_t>(uint128{25'000'000'000} * page.scale.get() >> 64));
  EXPECT_FALSE(timed.msr_write(0, hv::kMsrTimeRefCount, 1));
  EXPECT_FALSE(timed.msr_write(0, hv::kMsrReferenceTsc, kMemory | hv::kEnable));
  EXPECT_FALSE(timed.msr_write(0, hv::kMsrTscInvariantControl, 1));
}

TEST_F(HypervTest, WithoutTheFeatureThereIsNoReferenceTime) {
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrTimeRefCount), std::nullopt);
  EXPECT_EQ(hyperv.msr_read(0, hv::kMsrReferenceTsc), std::nullopt);
  EXPECT_FALSE(hyperv.msr_write(0, hv::kMsrReferenceTsc, kPage | hv::kEnable));
  EXPECT_EQ(*memory.at(kPage), std::byte{0});
}

TEST_F(HypervTest, ResetForgetsEverything) {
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrGuestOsId, kLinux));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrHypercall, kPage | 3));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrVpAssist, 0x7001));
  EXPECT_TRUE(hyperv.msr_write(0, hv::kMsrScontrol, 1));
  hyperv.reset();
  for (const uint32_t msr :
       {hv::kMsrGuestOsId, hv::kMsrHypercall, hv::kMsrVpAssist, hv::kMsrScontrol})
    EXPECT_EQ(hyperv.msr_read(0, msr), 0u) << msr;
}

}  // namespace
}  // namespace viridian::vmm
