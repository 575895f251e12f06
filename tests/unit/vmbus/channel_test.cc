#include "vmbus/channel.h"

#include "tests/unit/vmbus/test_device.h"

namespace viridian::vmbus {
namespace {

class ChannelTest : public VmbusTest {};

TEST_F(ChannelTest, InBandPacketArrivesAndItsCompletionComesBack) {
  auto channel = connect_and_open();
  device_.echo = true;
  ASSERT_TRUE(channel->send(42, bytes_of("question")));
  guest_.settle();
  ASSERT_EQ(device_.seen.size(), 1u);
  EXPECT_EQ(device_.seen[0].payload, bytes_of("question"));
  const GuestPacket* packet = channel->receive_one();
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(packet->descriptor.type.get(), packet_type::kCompletion);
  EXPECT_EQ(packet->descriptor.transaction_id.get(), 42u);
  EXPECT_TRUE(std::ranges::equal(packet->payload, bytes_of("question")));
}

}  // namespace
}  // namespace viridian::vmbus
