// The two rings alone, against memory that the test writes as a guest would.
#include "vmbus/ring.h"

#include <gtest/gtest.h>

#include <numeric>

#include "vmbus/limits.h"

namespace viridian::vmbus {
namespace {

constexpr uint32_t kData = 2 * kPageBytes;

class RingTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(memory_.add_region(Gpa{0}, std::as_writable_bytes(std::span(*pages_))));
    // A flat ring, or one whose two data pages lie the other way round.
    if (GetParam()) std::swap(pfns_[1], pfns_[2]);
    memory_view_.emplace(*RingMemory::map(memory_, pfns_));
  }
  RingMemory& ring() { return *memory_view_; }
  void set(size_t word, uint32_t value) { ring().word(word).store(value); }
  uint32_t get(size_t word) { return ring().word(word).load(); }
  void set_indices(uint32_t index) {
    set(control::kReadIndex, index);
    set(control::kWriteIndex, index);
  }
  // Writes a packet at `at`, as the guest: `payload_bytes` of 0, 1, 2 ...; returns what follows.
  uint32_t put(uint32_t at, uint32_t payload_bytes) {
    std::vector<std::byte> packet(sizeof(PacketDescriptor) + payload_bytes);
    write_wire(packet, PacketDescriptor{packet_type::kDataInBand, uint16_t{2},
                                        static_cast<uint16_t>(packet.size() / 8), uint16_t{0},
                                        uint64_t{at}});
    for (uint32_t i = 0; i < payload_bytes; ++i)
      packet[sizeof(PacketDescriptor) + i] = static_cast<std::byte>(i);
    ring().copy_in(at, packet);
    return ring().advance(at, static_cast<uint32_t>(packet.size()) + kPacketTrailerBytes);
  }
  RingState read(IncomingRing& incoming) { return incoming.read(buffer_, length_); }

  struct alignas(kPageBytes) Page {
    std::array<std::byte, kPageBytes> bytes;
  };
  std::unique_ptr<std::array<Page, 3>> pages_ = std::make_unique<std::array<Page, 3>>();
  GuestMemory memory_;
  std::vector<uint64_t> pfns_ = {0, 1, 2};
  std::optional<RingMemory> memory_view_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kMaxPacketBytes);
  uint32_t length_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Layouts, RingTest, testing::Bool(), [](const auto& layout) {
  return std::string(layout.param ? "Scattered" : "Flat");
});

TEST_P(RingTest, PacketIsReadWholeAtEveryOffset) {
  for (uint32_t at = 0; at < kData; at += 8) {
    set_indices(at);
    IncomingRing incoming(ring());
    set(control::kWriteIndex, put(at, 104));
    ASSERT_EQ(read(incoming), RingState::kReady) << at;
    ASSERT_EQ(length_, 120u);
    ASSERT_EQ(read_wire<PacketDescriptor>(buffer_)->transaction_id.get(), at);
    for (uint32_t i = 0; i < 104; ++i)
      ASSERT_EQ(buffer_[16 + i], static_cast<std::byte>(i)) << at;
    incoming.skip(length_);
    EXPECT_EQ(read(incoming), RingState::kEmpty);
    incoming.publish();
    EXPECT_EQ(get(control::kReadIndex), get(control::kWriteIndex));
  }
}

TEST_P(RingTest, PacketIsWrittenWholeAtEveryOffset) {
  std::array<std::byte, 100> payload;
  for (size_t i = 0; i < payload.size(); ++i)
    payload[i] = static_cast<std::byte>(0x80 + i);
  for (uint32_t at = 0; at < kData; at += 8) {
    set_indices(at);
    OutgoingRing outgoing(ring());
    const PacketDescriptor descriptor{packet_type::kCompletion, uint16_t{2}, uint16_t{15},
                                      uint16_t{0}, uint64_t{at}};
    const std::array parts = {wire_bytes(descriptor), std::span<const std::byte>(payload)};
    ASSERT_EQ(outgoing.write(parts), RingState::kReady);
    EXPECT_EQ(get(control::kWriteIndex), at) << "not before it is published";
    EXPECT_TRUE(outgoing.publish());
    ASSERT_EQ(get(control::kWriteIndex), ring().advance(at, 128));
    std::array<std::byte, 128> packet;
    ring().copy_out(at, packet);
    EXPECT_EQ(std::memcmp(packet.data(), &descriptor, 16), 0);
    EXPECT_EQ(std::memcmp(packet.data() + 16, payload.data(), 100), 0);
    EXPECT_EQ(read_wire<le32>(packet, 116)->get(), 0u) << "padding";
    EXPECT_EQ(read_wire<le64>(packet, 120)->get(), uint64_t{at} << 32) << "trailer";
  }
}

TEST_P(RingTest, FullRingKeepsOnePositionFree) {
  OutgoingRing outgoing(ring());
  std::vector<std::byte> packet(kData - kPacketTrailerBytes - 8);
  EXPECT_EQ(outgoing.max_length(), packet.size());
  const std::array<std::span<const std::byte>, 1> parts = {packet};
  EXPECT_EQ(outgoing.write(parts), RingState::kReady);
  EXPECT_FALSE(outgoing.has_space(0));
  packet.resize(packet.size() + 8);
  const std::array<std::span<const std::byte>, 1> larger = {packet};
  set_indices(0);
  OutgoingRing other(ring());
  EXPECT_EQ(other.write(larger), RingState::kFull);
}

TEST_P(RingTest, GuestIsInterruptedOnlyWhenItHadTakenEverything) {
  OutgoingRing outgoing(ring());
  const std::array<std::byte, 16> packet{};
  const std::array<std::span<const std::byte>, 1> parts = {packet};
  outgoing.write(parts);
  EXPECT_TRUE(outgoing.publish());
  EXPECT_FALSE(outgoing.publish()) << "nothing new";
  outgoing.write(parts);
  EXPECT_FALSE(outgoing.publish()) << "the guest has not taken the first";
  set(control::kReadIndex, get(control::kWriteIndex));
  set(control::kInterruptMask, 1);
  outgoing.write(parts);
  EXPECT_FALSE(outgoing.publish()) << "masked";
}

TEST_P(RingTest, SpaceRequestIsSetOnlyWhileTheRingIsFull) {
  OutgoingRing outgoing(ring());
  EXPECT_NE(get(control::kFeatureBits) & kFeaturePendingSendSize, 0u);
  std::vector<std::byte> packet(kData - 64);
  const std::array<std::span<const std::byte>, 1> parts = {packet};
  ASSERT_EQ(outgoing.write(parts), RingState::kReady);
  outgoing.publish();
  EXPECT_FALSE(outgoing.request_space(120));
  EXPECT_EQ(get(control::kPendingSendSize), 128u);
  set(control::kReadIndex, get(control::kWriteIndex));
  EXPECT_TRUE(outgoing.request_space(120));
  EXPECT_EQ(get(control::kPendingSendSize), 0u);
}

// Linux's rule, mirrored: only the publication that crosses the threshold interrupts.
TEST_P(RingTest, GuestThatWaitsForSpaceIsToldOnce) {
  IncomingRing incoming(ring());
  uint32_t at = 0;
  for (int i = 0; i < 60; ++i)
    at = put(at, 104);
  set(control::kWriteIndex, at);
  set(control::kPendingSendSize, 1024);
  const auto take = [&] {
    EXPECT_EQ(read(incoming), RingState::kReady);
    incoming.skip(length_);
    return incoming.publish();
  };
  // 60 packets of 128 bytes leave 512 free; more than 1024 are free after five.
  for (int i = 1; i <= 10; ++i)
    EXPECT_EQ(take(), i == 5) << i;
  EXPECT_FALSE(incoming.publish()) << "nothing taken";
}

TEST_P(RingTest, UnmaskTellsOfPacketsThatCameInBetween) {
  IncomingRing incoming(ring());
  incoming.mask();
  EXPECT_EQ(get(control::kInterruptMask), 1u);
  EXPECT_EQ(read(incoming), RingState::kEmpty);
  EXPECT_FALSE(incoming.unmask());
  EXPECT_EQ(get(control::kInterruptMask), 0u);
  incoming.mask();
  set(control::kWriteIndex, put(0, 8));
  EXPECT_TRUE(incoming.unmask());
}

// --- hostile guests ------------------------------------------------------------------------------

TEST_P(RingTest, IndexOutsideOrUnalignedIsAFault) {
  for (const uint32_t index : {kData, kData + 8, 4u, 1u, kData - 1, 0x8000'0000u, ~0u, ~7u}) {
    set_indices(0);
    IncomingRing incoming(ring());
    set(control::kWriteIndex, index);
    EXPECT_EQ(read(incoming), RingState::kFault) << index;
    set(control::kWriteIndex, 0);
    EXPECT_EQ(read(incoming), RingState::kFault) << "and stays one";

    set_indices(0);
    set(control::kReadIndex, index);
    IncomingRing started(ring());
    EXPECT_EQ(read(started), RingState::kFault) << index;
    OutgoingRing outgoing(ring());
    EXPECT_EQ(outgoing.write({}), RingState::kFault) << index;
  }
}

TEST_P(RingTest, ReaderAheadOfTheWriterIsAFault) {
  OutgoingRing outgoing(ring());
  std::vector<std::byte> packet(kData - 64);
  const std::array<std::span<const std::byte>, 1> parts = {packet};
  ASSERT_EQ(outgoing.write(parts), RingState::kReady);
  set(control::kReadIndex, kData - 8);
  EXPECT_EQ(outgoing.write(parts), RingState::kFault);
}

struct BadPacket {
  const char* what;
  uint16_t offset8, len8;
  uint32_t available;
};

TEST_P(RingTest, PacketThatDoesNotFitItselfOrTheRingIsAFault) {
  for (const BadPacket& bad : {
           BadPacket{"empty", 0, 0, 128},
           BadPacket{"shorter than its descriptor", 1, 1, 128},
           BadPacket{"payload within the descriptor", 1, 4, 128},
           BadPacket{"payload behind its end", 5, 4, 128},
           BadPacket{"payload far behind its end", 0xFFFF, 4, 128},
           BadPacket{"longer than what was written", 2, 16, 128},
           BadPacket{"as long as what was written, without trailer", 2, 16, 128},
           BadPacket{"longest", 2, 0xFFFF, kData - 8},
           BadPacket{"less than a descriptor", 2, 2, 8},
           BadPacket{"a descriptor without trailer", 2, 2, 16},
       }) {
    set_indices(0);
    IncomingRing incoming(ring());
    ring().copy_in(0, wire_bytes(PacketDescriptor{packet_type::kDataInBand, bad.offset8, bad.len8,
                                                  uint16_t{0}, uint64_t{0}}));
    set(control::kWriteIndex, bad.available);
    EXPECT_EQ(read(incoming), RingState::kFault) << bad.what;
  }
}

TEST_P(RingTest, HostilePendingSizeOnlyCostsInterrupts) {
  for (const uint32_t pending : {1u, 7u, kData, kData + 8, ~0u}) {
    set_indices(0);
    IncomingRing incoming(ring());
    set(control::kPendingSendSize, pending);
    set(control::kWriteIndex, put(0, 8));
    ASSERT_EQ(read(incoming), RingState::kReady);
    incoming.skip(length_);
    EXPECT_FALSE(incoming.publish()) << pending;
  }
}

TEST_P(RingTest, BadWriteIndexAtPublicationIsAFault) {
  IncomingRing incoming(ring());
  set(control::kWriteIndex, put(0, 8));
  ASSERT_EQ(read(incoming), RingState::kReady);
  incoming.skip(length_);
  set(control::kPendingSendSize, 8);
  set(control::kWriteIndex, 13);
  EXPECT_FALSE(incoming.publish());
  EXPECT_EQ(read(incoming), RingState::kFault);
}

TEST(RingMemory, PagesThatAreNotMemoryAndBadSizesAreRefused) {
  alignas(4096) static std::array<std::byte, 4 * kPageBytes> bytes;
  GuestMemory memory;
  ASSERT_TRUE(memory.add_region(Gpa{0}, bytes));
  EXPECT_TRUE(RingMemory::map(memory, std::array<uint64_t, 2>{0, 3}));
  EXPECT_FALSE(RingMemory::map(memory, std::array<uint64_t, 2>{0, 4}));
  EXPECT_FALSE(RingMemory::map(memory, std::array<uint64_t, 2>{1ull << 52, 0}));
  EXPECT_FALSE(RingMemory::map(memory, std::array<uint64_t, 2>{~0ull, 0}));
  EXPECT_FALSE(RingMemory::map(memory, std::array<uint64_t, 1>{0}));
  EXPECT_FALSE(RingMemory::map(memory, {}));
  EXPECT_FALSE(RingMemory::map(memory, std::vector<uint64_t>(kMaxRingBytes / kPageBytes + 2)));
}

}  // namespace
}  // namespace viridian::vmbus
