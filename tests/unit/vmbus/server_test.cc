#include "vmbus/server.h"

#include <algorithm>

#include "tests/unit/vmbus/test_device.h"

namespace viridian::vmbus {
namespace {

class ServerTest : public VmbusTest {};

TEST_F(ServerTest, NewestVersionIsNegotiatedAsLinuxDoesIt) {
  EXPECT_EQ(guest_.connect(), kVersion5_3);
}

TEST_F(ServerTest, OfferCarriesTheDevicesDescription) {
  ASSERT_TRUE(server_.offer(device_));
  const auto offers = connect();
  ASSERT_EQ(offers.size(), 1u);
  EXPECT_EQ(offers[0].type, kTestType);
  EXPECT_EQ(offers[0].instance, kTestInstance);
  EXPECT_EQ(offers[0].user_defined[0], 0x5A);
  EXPECT_EQ(offers[0].relid.get(), 1u);
  EXPECT_EQ(offers[0].sub_channel_index.get(), 0u);
  EXPECT_EQ(offers[0].monitor_allocated, 0u);
  EXPECT_EQ(offers[0].dedicated_interrupt.get(), 1u);
  EXPECT_NE(offers[0].connection_id.get(), 0u);
}

}  // namespace
}  // namespace viridian::vmbus
