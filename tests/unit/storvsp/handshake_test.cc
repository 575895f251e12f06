// The way to an open controller, and its second form, the IDE accelerator.
#include "tests/unit/storvsp/storvsp_fixture.h"

namespace viridian::storvsp {
namespace {

class HandshakeTest : public StorvspTest {
 protected:
  HandshakeTest() { driver_ = open(offers_.at(0).relid); }
  uint32_t status_of(uint32_t operation, std::span<const std::byte> payload = {}) {
    const auto answer = driver_->control(operation, payload);
    return answer ? answer->status.get() : 0xdead;
  }
  uint32_t ask_version(uint16_t version) {
    const ProtocolVersion wanted = {version, uint16_t{0}};
    return status_of(operation::kQueryProtocolVersion, wire_bytes(wanted));
  }
};

TEST_F(HandshakeTest, PropertiesTellTransferSizeAndSubChannels) {
  const auto properties = driver_->initialize();
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->max_sub_channels.get(), 3u);
  EXPECT_EQ(properties->flags.get(), kSupportsMultiChannel);
  EXPECT_EQ(properties->max_transfer_bytes.get(), kMaxTransferBytes);
  EXPECT_EQ(properties->max_transfer_bytes % kPageSize, 0u);
}

TEST_F(HandshakeTest, ThreeVersionsAreSpokenAndOthersRefusedOneByOne) {
  ASSERT_EQ(status_of(operation::kBeginInitialization), packet_status::kSuccess);
  for (const uint16_t version : std::vector<uint16_t>{0x0200, 0x0402, 0x0601, 0x0700, 0xffff})
    EXPECT_EQ(ask_version(version), packet_status::kRevisionMismatch);
  EXPECT_EQ(ask_version(kVersionWin8), packet_status::kSuccess);
  EXPECT_EQ(errors(GuestError::kBadVersion), 5u);
  for (const uint16_t version : {kVersionWin81, kVersionWin10})
    EXPECT_TRUE(driver_->initialize(version));
}

TEST_F(HandshakeTest, StepsOutOfOrderAreRefusedAndRequestsToo) {
  EXPECT_EQ(ask_version(kVersionWin10), packet_status::kInvalidDeviceState);
  EXPECT_EQ(status_of(operation::kQueryProperties), packet_status::kInvalidDeviceState);
  EXPECT_EQ(status_of(operation::kEndInitialization), packet_status::kInvalidDeviceState);
  EXPECT_EQ(status_of(operation::kCreateSubChannels), packet_status::kInvalidDeviceState);
  const auto early = run(test_unit_ready(0));
  ASSERT_TRUE(early);
  EXPECT_EQ(early->packet.srb.srb_status, srb_status::kInvalidRequest);
  EXPECT_EQ(errors(GuestError::kBadState), 5u);
  EXPECT_TRUE(driver_->initialize());
  const auto ready = run(test_unit_ready(0));
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->packet.srb.srb_status, srb_status::kSuccess);
}

TEST_F(HandshakeTest, SubChannelsAreOfferedAndServeRequests) {
  ASSERT_TRUE(driver_->initialize());
  const le16 none = uint16_t{0}, many = uint16_t{4}, two = uint16_t{2};
  EXPECT_EQ(status_of(operation::kCreateSubChannels, wire_bytes(none)),
            packet_status::kInvalidParameter);
  EXPECT_EQ(status_of(operation::kCreateSubChannels, wire_bytes(many)),
            packet_status::kInvalidParameter);
  EXPECT_EQ(status_of(operation::kCreateSubChannels, wire_bytes(two)), packet_status::kSuccess);
  for (uint16_t index = 1; index <= 2; ++index) {
    const auto offer = guest_.wait_for<vmbus::OfferChannel>(vmbus::message_type::kOfferChannel);
    ASSERT_TRUE(offer);
    const auto sub = open(offer->relid);
    const auto pfns = guest_.alloc_pages(1);
    ASSERT_TRUE(sub->send(7, read10(8, 8), pfns));
    guest_.settle();
    const auto answer = sub->receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kSuccess);
    EXPECT_EQ(std::memcmp(page(pfns[0]).data(), ram_.bytes().data() + 4096, 4096), 0);
    EXPECT_EQ(sub->control(operation::kBeginInitialization)->status.get(),
              packet_status::kInvalidDeviceState);
    EXPECT_EQ(sub->control(operation::kCreateSubChannels, wire_bytes(two))->status.get(),
              packet_status::kInvalidDeviceState);
  }
  // They are there already.
  EXPECT_EQ(status_of(operation::kCreateSubChannels, wire_bytes(two)),
            packet_status::kUnsuccessful);
}

TEST_F(HandshakeTest, ReopenedControllerBeginsAnew) {
  ASSERT_TRUE(driver_->initialize());
  driver_->channel().close();
  driver_ = open(offers_.at(0).relid);
  const auto early = run(test_unit_ready(0));
  ASSERT_TRUE(early);
  EXPECT_EQ(early->packet.srb.srb_status, srb_status::kInvalidRequest);
  EXPECT_TRUE(driver_->initialize());
  EXPECT_TRUE(run(test_unit_ready(0)));
}

// --- identities --------------------------------------------------------------------------------

TEST(Identity, ScsiControllersDifferByTheirInstance) {
  const Identity first = scsi_identity(0, 3);
  EXPECT_EQ(to_string(first.offer.type), "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");
  EXPECT_NE(first.offer.instance, scsi_identity(1, 3).offer.instance);
  EXPECT_EQ(first.offer.max_sub_channels, 3);
}

TEST(Identity, AcceleratorTellsItsPlaceInInstanceAndUserBytes) {
  const vmbus::OfferDescription offer = ide_identity(1, 1).offer;
  EXPECT_EQ(to_string(offer.type), "32412632-86cb-44a2-9b5c-50d1417354f5");
  EXPECT_EQ(to_string(offer.instance), "00000001-0001-8899-0000-000000000000");
  // storvsc_probe(): the target number.
  EXPECT_EQ(offer.instance.bytes[5] << 8 | offer.instance.bytes[4], 1);
  EXPECT_EQ(offer.user_defined[2], 1);
  EXPECT_EQ(offer.user_defined[3], 1);
  EXPECT_EQ(offer.user_defined[8], 2);
  EXPECT_EQ(offer.max_sub_channels, 0);
}

class AcceleratorTest : public StorvspTest {
 protected:
  AcceleratorTest() : StorvspTest(ide_identity(1, 1)) {}
};

TEST_F(AcceleratorTest, DiskIsAtTheTargetOfItsDeviceOnAnyPath) {
  const auto pfns = guest_.alloc_pages(1);
  SrbPacket packet = inquiry(0);
  packet.srb.target = 1;
  packet.srb.path = 3;
  auto answer = run(packet, pfns);
  ASSERT_TRUE(answer);
  EXPECT_EQ(page(pfns[0])[0], std::byte{0});
  packet.srb.target = 0;
  answer = run(packet, pfns);
  ASSERT_TRUE(answer);
  EXPECT_EQ(page(pfns[0])[0], std::byte{0x7f});
}

TEST_F(AcceleratorTest, ThereAreNoSubChannelsAndNoOtherUnits) {
  driver_ = open(offers_.at(0).relid);
  const auto properties = driver_->initialize();
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->max_sub_channels.get(), 0u);
  EXPECT_EQ(properties->flags.get(), 0u);
  EXPECT_FALSE(controller_.add_disk(1, ram_));
}

}  // namespace
}  // namespace viridian::storvsp
