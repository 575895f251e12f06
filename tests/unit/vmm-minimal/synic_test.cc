// The SynIC against TLFS chapter 11, with a guest that is a few lines of code.
#include "vmm-minimal/synic.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "io/unique_fd.h"
#include "tests/unit/vmm-minimal/fakes.h"

namespace viridian::vmm {
namespace {

constexpr uint64_t kSimp = 0x4000, kSiefp = 0x5000;
constexpr uint32_t kSint2 = hv::kMsrSint0 + 2;
constexpr uint64_t kVector = 0xF3;
constexpr size_t kMemory = 0x10000;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class SynicTest : public testing::Test {
 protected:
  // The order of Linux's hv_synic_enable_regs().
  void enable(uint32_t vp = 0, uint64_t sint = kVector) {
    const uint64_t shift = vp * uint64_t{0x2000};
    ASSERT_TRUE(synic.write(vp, hv::kMsrSimp, (kSimp + shift) | hv::kEnable));
    ASSERT_TRUE(synic.write(vp, hv::kMsrSiefp, (kSiefp + shift) | hv::kEnable));
    ASSERT_TRUE(synic.write(vp, kSint2, sint));
    ASSERT_TRUE(synic.write(vp, hv::kMsrScontrol, hv::kEnable));
  }
  hv::Message slot(uint64_t simp = kSimp) {
    return *memory.memory().read<hv::Message>(Gpa{simp + 2 * hv::kSlotBytes});
  }
  std::string text(const hv::Message& message) {
    return {reinterpret_cast<const char*>(message.payload.data()), message.payload_size};
  }
  void clear_slot() { memory.memory().write(Gpa{kSimp + 2 * hv::kSlotBytes}, le32{0}); }
  void end_of_message() { ASSERT_TRUE(synic.write(0, hv::kMsrEom, 0)); }
  bool flag(uint32_t number, uint64_t siefp = kSiefp) {
    const auto byte = *memory.at(siefp + 2 * hv::kSlotBytes + number / 8);
    return (static_cast<unsigned>(byte) >> number % 8 & 1) != 0;
  }

  TestMemory memory{kMemory};
  InterruptRecorder backend;
  Synic synic{memory.memory(), backend, 2};
};

TEST_F(SynicTest, RegistersHaveTheirResetValues) {
  EXPECT_EQ(synic.read(0, hv::kMsrScontrol), 0u);
  EXPECT_EQ(synic.read(0, hv::kMsrSversion), 1u);
  EXPECT_EQ(synic.read(0, hv::kMsrSimp), 0u);
  EXPECT_EQ(synic.read(0, hv::kMsrSiefp), 0u);
  EXPECT_EQ(synic.read(0, hv::kMsrEom), 0u);
  for (uint32_t i = 0; i < hv::kSintCount; ++i)
    EXPECT_EQ(synic.read(0, hv::kMsrSint0 + i), hv::kSintMasked);
}

TEST_F(SynicTest, RegistersReadBackWhatWasWrittenAndBelongToOneVp) {
  enable(1);
  EXPECT_EQ(synic.read(1, hv::kMsrSimp), kSimp + 0x2000 + 1);
  EXPECT_EQ(synic.read(1, kSint2), kVector);
  EXPECT_EQ(synic.read(0, hv::kMsrSimp), 0u);
  EXPECT_EQ(synic.read(0, kSint2), hv::kSintMasked);
}

TEST_F(SynicTest, RegistersThatDoNotExistAreRefused) {
  EXPECT_FALSE(synic.read(0, 0x40000085));
  EXPECT_FALSE(synic.write(0, 0x40000085, 0));
  EXPECT_FALSE(synic.write(0, hv::kMsrSversion, 2));
  EXPECT_EQ(synic.faults().of(SynicFault::kBadMsr), 3u);
}

TEST_F(SynicTest, PagesOutsideOfMemoryAreRefusedAndTheRegisterStays) {
  for (const uint64_t gpa : {uint64_t{kMemory}, uint64_t{0xFFFFFFFFFFFFF000}, uint64_t{1} << 40}) {
    EXPECT_FALSE(synic.write(0, hv::kMsrSimp, gpa | hv::kEnable)) << gpa;
    EXPECT_FALSE(synic.write(0, hv::kMsrSiefp, gpa | hv::kEnable)) << gpa;
  }
  EXPECT_EQ(synic.read(0, hv::kMsrSimp), 0u);
  EXPECT_EQ(synic.faults().of(SynicFault::kBadPage), 6u);
  EXPECT_TRUE(synic.write(0, hv::kMsrSimp, kMemory - 0x1000 + 1));  // the last page is memory
  EXPECT_TRUE(synic.write(0, hv::kMsrSiefp, uint64_t{1} << 40));    // off: any address
}

TEST_F(SynicTest, PagesAreZeroedWhenTheyAreSwitchedOnAndNotWhenOff) {
  std::memset(memory.at(kSimp), 0xAA, 0x2000);
  enable();
  EXPECT_EQ(*memory.at(kSimp), std::byte{0});
  EXPECT_EQ(*memory.at(kSiefp + 0xFFF), std::byte{0});
  synic.signal_event(0, 9);
  ASSERT_TRUE(synic.write(0, hv::kMsrSiefp, kSiefp | hv::kEnable));  // the same again
  EXPECT_TRUE(flag(9));
  ASSERT_TRUE(synic.write(0, hv::kMsrSiefp, 0));
  EXPECT_TRUE(flag(9));
}

TEST_F(SynicTest, VectorsOfTheProcessorAreRefusedUnlessMasked) {
  EXPECT_FALSE(synic.write(0, kSint2, 15));
  EXPECT_EQ(synic.faults().of(SynicFault::kBadVector), 1u);
  EXPECT_TRUE(synic.write(0, kSint2, 15 | hv::kSintMasked));
  EXPECT_TRUE(synic.write(0, kSint2, 16));
}

TEST_F(SynicTest, TheRouteFollowsTheRegisters) {
  enable();
  EXPECT_EQ(backend.vector(), 0xF3);
  ASSERT_TRUE(synic.write(0, kSint2, 0x55));
  EXPECT_EQ(backend.vector(), 0x55);
  ASSERT_TRUE(synic.write(0, kSint2, 0x55 | hv::kSintPolling));
  EXPECT_EQ(backend.vector(), std::nullopt);
  ASSERT_TRUE(synic.write(0, kSint2, 0x55));
  ASSERT_TRUE(synic.write(0, hv::kMsrScontrol, 0));
  EXPECT_EQ(backend.vector(), std::nullopt);
  EXPECT_EQ(backend.vector(1), std::nullopt);
  EXPECT_EQ(backend.routes(), 5u);  // and nothing was routed twice
}

TEST_F(SynicTest, AnEventSetsItsFlagAndInterruptsOnceUntilItIsCleared) {
  enable();
  synic.signal_event(0, 0);
  synic.signal_event(0, 2047);
  synic.signal_event(0, 2047);
  EXPECT_TRUE(flag(0));
  EXPECT_TRUE(flag(2047));
  EXPECT_FALSE(flag(1));
  EXPECT_EQ(backend.interrupts(), 2u);
  *memory.at(kSiefp + 2 * hv::kSlotBytes) = std::byte{0};
  synic.signal_event(0, 0);
  EXPECT_EQ(backend.interrupts(), 3u);
}

TEST_F(SynicTest, AnEventGoesToItsVp) {
  enable(0);
  enable(1);
  synic.signal_event(1, 3);
  EXPECT_TRUE(flag(3, kSiefp + 0x2000));
  EXPECT_FALSE(flag(3));
  EXPECT_EQ(backend.interrupts(0), 0u);
  EXPECT_EQ(backend.interrupts(1), 1u);
}

TEST_F(SynicTest, AMaskedOrPollingSintGetsTheFlagOnly) {
  enable(0, kVector | hv::kSintPolling);
  synic.signal_event(0, 5);
  EXPECT_TRUE(flag(5));
  ASSERT_TRUE(synic.write(0, kSint2, kVector | hv::kSintMasked));
  synic.signal_event(0, 6);
  EXPECT_TRUE(flag(6));
  EXPECT_EQ(backend.interrupts(), 0u);
}

TEST_F(SynicTest, FlagsSetWhileMaskedInterruptWhenTheMaskGoes) {
  enable(0, kVector | hv::kSintMasked);
  synic.signal_event(0, 700);
  ASSERT_TRUE(synic.write(0, kSint2, kVector));
  EXPECT_EQ(backend.interrupts(), 1u);
}

TEST_F(SynicTest, UnmaskingWithoutFlagsInterruptsNobody) {
  enable();
  EXPECT_EQ(backend.interrupts(), 0u);
}

TEST_F(SynicTest, EventsForDisabledPagesTouchNothing) {
  enable();
  ASSERT_TRUE(synic.write(0, hv::kMsrScontrol, 0));
  synic.signal_event(0, 1);
  ASSERT_TRUE(synic.write(0, hv::kMsrScontrol, hv::kEnable));
  ASSERT_TRUE(synic.write(0, hv::kMsrSiefp, kSiefp));
  synic.signal_event(0, 1);
  EXPECT_FALSE(flag(1));
  EXPECT_EQ(backend.interrupts(), 0u);
}

TEST_F(SynicTest, EventsAndMessagesForWhatDoesNotExistAreCounted) {
  enable();
  synic.signal_event(2, 0);
  synic.signal_event(~0u, 0);
  synic.signal_event(0, 2048);
  EXPECT_TRUE(synic.post_message(2, bytes_of("x")));  // lost: VMBus must not wait for it
  EXPECT_EQ(synic.faults().of(SynicFault::kNoSuchVp), 4u);
  EXPECT_EQ(backend.interrupts(), 0u);
}

TEST_F(SynicTest, AMessageFillsTheSlotAndInterrupts) {
  enable();
  ASSERT_TRUE(synic.post_message(0, bytes_of("offer")));
  const auto message = slot();
  EXPECT_EQ(message.type.get(), hv::kMessageChannel);
  EXPECT_EQ(text(message), "offer");
  EXPECT_EQ(message.flags, 0);
  EXPECT_EQ(backend.interrupts(), 1u);
}

TEST_F(SynicTest, AMessageMayBeEmpty) {
  enable();
  ASSERT_TRUE(synic.post_message(0, {}));
  EXPECT_EQ(slot().type.get(), hv::kMessageChannel);
  EXPECT_EQ(slot().payload_size, 0);
}

TEST_F(SynicTest, TheLongestMessageFits) {
  enable();
  ASSERT_TRUE(synic.post_message(0, bytes_of(std::string(240, 'm'))));
  EXPECT_EQ(text(slot()), std::string(240, 'm'));
  // Nothing behind the slot was touched.
  EXPECT_EQ(*memory.at(kSimp + 3 * hv::kSlotBytes), std::byte{0});
}

TEST_F(SynicTest, ABusySlotIsMarkedAndTheNextMessageComesWithEndOfMessage) {
  enable();
  ASSERT_TRUE(synic.post_message(0, bytes_of("one")));
  ASSERT_TRUE(synic.post_message(0, bytes_of("two")));
  ASSERT_TRUE(synic.post_message(0, bytes_of("three")));
  EXPECT_EQ(text(slot()), "one");
  EXPECT_EQ(slot().flags, hv::kMessagePending);
  EXPECT_EQ(backend.interrupts(), 1u);
  clear_slot();
  end_of_message();
  EXPECT_EQ(text(slot()), "two");
  EXPECT_EQ(slot().flags, hv::kMessagePending);  // there is one more
  clear_slot();
  end_of_message();
  EXPECT_EQ(text(slot()), "three");
  EXPECT_EQ(slot().flags, 0);
  EXPECT_EQ(backend.interrupts(), 3u);
}

TEST_F(SynicTest, EndOfMessageWithABusySlotDeliversNothing) {
  enable();
  ASSERT_TRUE(synic.post_message(0, bytes_of("one")));
  ASSERT_TRUE(synic.post_message(0, bytes_of("two")));
  end_of_message();
  EXPECT_EQ(text(slot()), "one");
}

TEST_F(SynicTest, MessagesWaitWhileTheSintIsMaskedOrThePageIsOff) {
  enable(0, kVector | hv::kSintMasked);
  ASSERT_TRUE(synic.write(0, hv::kMsrSimp, 0));
  ASSERT_TRUE(synic.post_message(0, bytes_of("early")));
  ASSERT_TRUE(synic.write(0, kSint2, kVector));
  EXPECT_EQ(slot().type.get(), hv::kMessageNone);
  EXPECT_EQ(backend.interrupts(), 0u);
  ASSERT_TRUE(synic.write(0, hv::kMsrSimp, kSimp | hv::kEnable));
  EXPECT_EQ(text(slot()), "early");
  EXPECT_EQ(backend.interrupts(), 1u);
}

TEST_F(SynicTest, MessagesForASynicThatIsOffAreLostAndThoseThatWaitedToo) {
  EXPECT_TRUE(synic.post_message(0, bytes_of("to nobody")));
  enable();
  EXPECT_EQ(slot().type.get(), hv::kMessageNone);
  ASSERT_TRUE(synic.post_message(0, bytes_of("fetched")));
  ASSERT_TRUE(synic.post_message(0, bytes_of("not fetched")));
  ASSERT_TRUE(synic.write(0, hv::kMsrScontrol, 0));
  clear_slot();
  enable();  // the next kernel
  EXPECT_EQ(slot().type.get(), hv::kMessageNone);
}

TEST_F(SynicTest, SwitchingTheSynicOffMakesRoom) {
  enable();
  unsigned told = 0;
  synic.set_space_listener({[](void* count) noexcept { ++*static_cast<unsigned*>(count); }, &told});
  while (synic.post_message(0, bytes_of("x"))) {
  }
  ASSERT_TRUE(synic.write(0, hv::kMsrScontrol, 0));
  EXPECT_EQ(told, 1u);
}

TEST_F(SynicTest, AFullQueueRefusesAndSaysWhenThereIsRoom) {
  enable();
  unsigned told = 0;
  synic.set_space_listener({[](void* count) noexcept { ++*static_cast<unsigned*>(count); }, &told});
  for (uint32_t i = 0; i <= Synic::kMaxQueuedMessages; ++i)  // one of them is in the slot
    ASSERT_TRUE(synic.post_message(0, bytes_of(std::to_string(i))));
  EXPECT_FALSE(synic.post_message(0, bytes_of("too many")));
  EXPECT_FALSE(synic.post_message(0, bytes_of("too many")));
  EXPECT_EQ(told, 0u);
  clear_slot();
  end_of_message();
  EXPECT_EQ(told, 1u);
  EXPECT_TRUE(synic.post_message(0, bytes_of("again")));
  clear_slot();
  end_of_message();
  EXPECT_EQ(told, 1u);  // nobody was refused since
  EXPECT_EQ(text(slot()), "2");
}

TEST_F(SynicTest, ResetForgetsRegistersMessagesAndRoutes) {
  enable();
  ASSERT_TRUE(synic.post_message(0, bytes_of("one")));
  ASSERT_TRUE(synic.post_message(0, bytes_of("two")));
  synic.reset();
  EXPECT_EQ(synic.read(0, hv::kMsrScontrol), 0u);
  EXPECT_EQ(synic.read(0, kSint2), hv::kSintMasked);
  EXPECT_EQ(backend.vector(), std::nullopt);
  enable();
  EXPECT_EQ(slot().type.get(), hv::kMessageNone);
  EXPECT_EQ(backend.interrupts(), 1u);
}

TEST_F(SynicTest, DoorbellsRingByTheirConnectionId) {
  const UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_TRUE(synic.add_doorbell(0x2001, fd.get()));
  EXPECT_FALSE(synic.add_doorbell(0x2001, fd.get()));
  EXPECT_EQ(backend.doorbells().at(0x2001), fd.get());
  EXPECT_TRUE(synic.ring(0x2001));
  EXPECT_FALSE(synic.ring(0x2002));
  uint64_t rings = 0;
  ASSERT_EQ(::read(fd.get(), &rings, sizeof(rings)), 8);
  EXPECT_EQ(rings, 1u);
  synic.remove_doorbell(0x2001, fd.get());
  EXPECT_FALSE(synic.ring(0x2001));
  EXPECT_TRUE(backend.doorbells().empty());
}

}  // namespace
}  // namespace viridian::vmm
