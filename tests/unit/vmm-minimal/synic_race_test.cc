// Guest and host on two threads: every message arrives once and in order, every event's flag is
// seen, and a page that is switched off is never written to again. The thread sanitizer watches.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/synic.h"

namespace viridian::vmm {
namespace {

constexpr uint64_t kSimp = 0x4000, kSiefp = 0x5000;
constexpr uint32_t kSint2 = hv::kMsrSint0 + 2;
constexpr size_t kMemory = 0x10000;
constexpr uint32_t kMessages = 20'000;

void enable(Synic& synic) {
  synic.write(0, hv::kMsrSimp, kSimp | hv::kEnable);
  synic.write(0, hv::kMsrSiefp, kSiefp | hv::kEnable);
  synic.write(0, kSint2, 0xF3);
  synic.write(0, hv::kMsrScontrol, hv::kEnable);
}

template <class T>
std::atomic_ref<T> shared(std::byte* at) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(at));
}

// Linux's vmbus_signal_eom(): clear the type, then look whether more is waiting.
TEST(SynicRace, EveryMessageArrivesOnceAndInOrder) {
  TestMemory memory(kMemory);
  InterruptRecorder backend;
  Synic synic(memory.memory(), backend, 1);
  enable(synic);

  std::thread host([&] {
    for (uint32_t i = 0; i < kMessages; ++i) {
      const le32 number{i};
      while (!synic.post_message(0, wire_bytes(number)))
        std::this_thread::yield();
    }
  });
  std::byte* slot = memory.at(kSimp + 2 * hv::kSlotBytes);
  uint64_t interrupts_seen = 0, ends = 0;
  for (uint32_t expected = 0; expected < kMessages;) {
    // A halted processor wakes by an interrupt only: without one there must be nothing to do.
    while (backend.interrupts() == interrupts_seen)
      std::this_thread::yield();
    interrupts_seen = backend.interrupts();
    while (shared<uint32_t>(slot).load() != hv::kMessageNone) {
      le32 number;
      std::memcpy(&number, slot + offsetof(hv::Message, payload), sizeof(number));
      ASSERT_EQ(number.get(), expected++);
      shared<uint32_t>(slot).store(hv::kMessageNone);
      if (shared<uint8_t>(slot + offsetof(hv::Message, flags)).load() != 0) {
        synic.write(0, hv::kMsrEom, 0);
        ++ends;
      }
    }
  }
  host.join();
  EXPECT_LE(ends, kMessages);
  EXPECT_EQ(shared<uint32_t>(slot).load(), hv::kMessageNone);
}

TEST(SynicRace, EveryEventIsSeenByTheGuest) {
  TestMemory memory(kMemory);
  InterruptRecorder backend;
  Synic synic(memory.memory(), backend, 1);
  enable(synic);

  constexpr uint32_t kSignallers = 3, kRounds = 10'000;
  std::array<std::atomic<uint32_t>, kSignallers> sent{};
  std::vector<std::thread> hosts;
  for (uint32_t flag = 0; flag < kSignallers; ++flag) {
    hosts.emplace_back([&, flag] {
      for (uint32_t i = 0; i < kRounds; ++i) {
        sent[flag].fetch_add(1);
        synic.signal_event(0, flag);
      }
    });
  }
  auto word = shared<uint64_t>(memory.at(kSiefp + 2 * hv::kSlotBytes));
  std::array<uint32_t, kSignallers> handled{};
  uint64_t interrupts_seen = 0;
  auto all_handled = [&] {
    for (uint32_t i = 0; i < kSignallers; ++i)
      if (handled[i] != kRounds) return false;
    return true;
  };
  while (!all_handled()) {
    while (backend.interrupts() == interrupts_seen)
      std::this_thread::yield();
    interrupts_seen = backend.interrupts();
    const uint64_t flags = word.exchange(0);
    for (uint32_t i = 0; i < kSignallers; ++i)
      if ((flags >> i & 1) != 0) handled[i] = sent[i].load();
  }
  for (auto& host : hosts)
    host.join();
}

TEST(SynicRace, NobodyWritesToAPageThatWasSwitchedOff) {
  TestMemory memory(kMemory);
  InterruptRecorder backend;
  Synic synic(memory.memory(), backend, 1);
  enable(synic);
  std::atomic<bool> stop{false};
  std::thread host([&] {
    while (!stop.load())
      synic.signal_event(0, 77);
  });
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_TRUE(synic.write(0, hv::kMsrSiefp, 0));
    // The guest's own again: a plain write and read, which a late signal would race with.
    std::memset(memory.at(kSiefp), 0x5A, hv::kPageBytes);
    for (size_t at = 0; at < hv::kPageBytes; at += 64)
      ASSERT_EQ(*memory.at(kSiefp + at), std::byte{0x5A});
    ASSERT_TRUE(synic.write(0, hv::kMsrSiefp, kSiefp | hv::kEnable));
  }
  stop.store(true);
  host.join();
}

}  // namespace
}  // namespace viridian::vmm
