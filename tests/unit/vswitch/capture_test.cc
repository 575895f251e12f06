// What a person sees of the frames, and that a full ring makes nobody wait.
#include "vswitch/capture.h"

#include "tests/unit/vswitch/ip_frames.h"

namespace viridian::vswitch {
namespace {

class CaptureTest : public SwitchTest {
 protected:
  CaptureTest() { add(3); }

  struct Seen {
    PortId port;
    CaptureEvent event;
    DropReason reason;
    size_t bytes;
    bool operator==(const Seen&) const = default;
  };
  std::vector<Seen> seen(Capture& capture) {
    std::vector<Seen> result;
    CapturedFrame frame;
    while (capture.take(frame, bytes_))
      result.push_back({frame.port, frame.event, frame.reason, bytes_.size()});
    return result;
  }

  std::vector<std::byte> bytes_;
};

TEST_F(CaptureTest, OnePortIsSeenInBothDirections) {
  Capture capture({.port = 1});
  ASSERT_TRUE(switch_.add_capture(capture));
  send(0, kBroadcast, station(1));
  send(1, kBroadcast, station(2));
  using enum CaptureEvent;
  const std::vector<Seen> expected = {{1, kOut, DropReason::kNone, 60},
                                      {1, kIn, DropReason::kNone, 60}};
  EXPECT_EQ(seen(capture), expected);
  switch_.remove_capture(capture);
  send(0, kBroadcast, station(1));
  EXPECT_TRUE(seen(capture).empty());
}

TEST_F(CaptureTest, OneDropReasonIsSeenAtEveryPort) {
  Capture capture({.in = false, .out = false, .dropped = true, .reason = DropReason::kMacGuard});
  ASSERT_TRUE(switch_.add_capture(capture));
  tell_port(0, {.name = "a", .mac = station(1), .mac_guard = true});
  send(0, kBroadcast, station(9));
  send(0, kBroadcast, station(1));
  send(0, fakes::ethernet({{0x01, 0x80, 0xC2, 0, 0, 0}}, station(1)));
  const std::vector<Seen> expected = {{0, CaptureEvent::kDropped, DropReason::kMacGuard, 60}};
  EXPECT_EQ(seen(capture), expected);
}

TEST_F(CaptureTest, FrameThatItsReceiverRefusedIsSeenThere) {
  Capture capture({.in = false, .out = false, .dropped = true});
  ASSERT_TRUE(switch_.add_capture(capture));
  ports_[1]->room = 0;
  send(0, kBroadcast, station(1));
  const std::vector<Seen> expected = {{1, CaptureEvent::kDropped, DropReason::kPortFull, 60}};
  EXPECT_EQ(seen(capture), expected);
}

TEST_F(CaptureTest, TagIsPutBackAndLongFramesAreCut) {
  Capture capture({.port = 0, .snap_bytes = 20});
  ASSERT_TRUE(switch_.add_capture(capture));
  fakes::PlainFrame frame = fakes::ethernet(kBroadcast, station(1));
  frame.tag = 0x2064;
  send(0, frame);
  CapturedFrame header;
  ASSERT_TRUE(capture.take(header, bytes_));
  EXPECT_EQ(header.frame_bytes, 64U);
  EXPECT_EQ(header.captured_bytes, 20U);
  ASSERT_EQ(bytes_.size(), 20U);
  const std::array<std::byte, 6> expected = {std::byte{0x81}, std::byte{0},    std::byte{0x20},
                                             std::byte{0x64}, std::byte{0x88}, std::byte{0xB5}};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), bytes_.begin() + 12));
}

TEST_F(CaptureTest, FullRingCountsWhatItMissed) {
  Capture capture({.port = 0}, 256);
  ASSERT_TRUE(switch_.add_capture(capture));
  for (int i = 0; i < 5; ++i)
    send(0, kBroadcast, station(1));
  EXPECT_EQ(seen(capture).size(), 3U);
  EXPECT_EQ(capture.missed(), 2U);
  send(0, kBroadcast, station(1));  // over the end of the ring
  send(0, kBroadcast, station(1));
  EXPECT_EQ(seen(capture).size(), 2U);
}

TEST_F(CaptureTest, OneTooManyIsRefused) {
  std::vector<std::unique_ptr<Capture>> captures;
  for (unsigned i = 0; i <= kMaxCaptures; ++i) {
    captures.push_back(std::make_unique<Capture>(CaptureFilter{}, 4096));
    EXPECT_EQ(switch_.add_capture(*captures.back()).has_value(), i < kMaxCaptures);
  }
}

TEST_F(CaptureTest, PortsChangeTogether) {
  PortSettings isolated = {.name = "a"};
  isolated.vlan = {.mode = VlanMode::kIsolated, .vlan = 10, .secondary = 20};
  PortSettings also = isolated;
  also.name = "b";
  ASSERT_TRUE(switch_.change_ports({{{0, &isolated}, {1, &also}}}));
  isolated.vlan.vlan = also.vlan.vlan = 11;
  EXPECT_FALSE(switch_.change_port(0, isolated));
  EXPECT_TRUE(switch_.change_ports({{{0, &isolated}, {1, &also}}}));
  PortSettings same_name = {.name = "a"};
  const auto refused = switch_.change_ports({{{1, &also}, {2, &same_name}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "port a: switch switch has a port of this name");
}

TEST_F(CaptureTest, StaticAddressesComeAndGoWithTheSettings) {
  tell_port(2, {.name = "c", .static_macs = {{station(7), 0}}});
  send(0, station(7), station(1));
  EXPECT_EQ(receivers(), Ids{2});
  tell_port(2, {.name = "c"});
  send(0, station(7), station(1));
  EXPECT_EQ(receivers(), (Ids{1, 2}));
  const auto refused = switch_.change_port(2, {.name = "c", .static_macs = {{kBroadcast, 0}}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("port c: static_macs: ff:ff"), std::string::npos);
}

}  // namespace
}  // namespace viridian::vswitch
