#include "tests/unit/netvsp/netvsp_fixture.h"

namespace viridian::netvsp {
namespace {

using ControlTest = NetvspTest;

std::optional<uint32_t> word(const std::optional<Bytes>& bytes) {
  if (!bytes || bytes->size() != 4) return {};
  return read_wire<le32>(*bytes)->get();
}

TEST_F(ControlTest, InitializeTellsHowManyFramesAPacketMayHold) {
  ASSERT_TRUE(fresh().connect());
  const InitializeRequest request{11u, 1u, 0u, 0x4000u};
  const auto answer = fresh().control(rndis_type::kInitialize, wire_bytes(request));
  ASSERT_TRUE(answer);
  const auto complete = read_wire<InitializeComplete>(*answer, sizeof(RndisHeader));
  ASSERT_TRUE(complete);
  EXPECT_EQ(complete->id.get(), 11u);
  EXPECT_EQ(complete->status.get(), rndis_status::kSuccess);
  EXPECT_EQ(complete->max_packets_per_message.get(), kMaxFramesPerSend);
}

TEST_F(ControlTest, WhatLinuxAsksForIsAnswered) {
  FakeNetvsc& netvsc = driver();
  EXPECT_EQ(word(netvsc.query(oid::kMaximumFrameSize)), 1500u);
  EXPECT_EQ(word(netvsc.query(oid::kLinkSpeed)), 100'000'000u) << "10 Gbit/s in units of 100 bit/s";
  EXPECT_EQ(word(netvsc.query(oid::kMediaConnectStatus)), 0u);
  const auto address = netvsc.query(oid::kPermanentAddress);
  ASSERT_TRUE(address);
  EXPECT_EQ(std::memcmp(address->data(), kGuestMac.data(), 6), 0);
  const auto name = netvsc.query(oid::kFriendlyName);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->size(), 10u);  // "first" in UTF-16
  const auto scaling = netvsc.query(oid::kReceiveScaleCapabilities);
  ASSERT_TRUE(scaling);
  EXPECT_EQ(read_wire<ScaleCapabilities>(*scaling)->receive_queues.get(), 3u);
}

TEST_F(ControlTest, OffloadsAreAsLongAsTheGuestsRevision) {
  FakeNetvsc& netvsc = driver();
  const size_t sizes[] = {kOffloadBytes60, kOffloadBytes61, sizeof(Offload)};
  for (uint8_t revision = 1; revision <= 3; ++revision) {
    const ObjectHeader asked = {object_type::kOffload, revision, uint16_t{4}};
    const auto answer = netvsc.query(oid::kOffloadCapabilities, wire_bytes(asked));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->size(), sizes[revision - 1]);
    const auto header = read_wire<ObjectHeader>(*answer);
    EXPECT_EQ(header->type, object_type::kOffload);
    EXPECT_EQ(header->revision, revision);
    EXPECT_EQ(header->size.get(), answer->size());
  }
}

TEST_F(ControlTest, UnknownOidIsNotSupported) {
  EXPECT_FALSE(driver().query(0x12345678));
  EXPECT_EQ(driver().set(0x12345678, {}), rndis_status::kNotSupported);
  EXPECT_EQ(errors(GuestError::kUnknownControl), 2u);
}

TEST_F(ControlTest, InformationThatLeavesTheMessageIsInvalid) {
  const OidRequest request{1u, oid::kPacketFilter, 0xFFFFFFF0u, 0x20u, 0u};
  const auto answer = driver().control(rndis_type::kSet, wire_bytes(request));
  ASSERT_TRUE(answer);
  EXPECT_EQ(read_wire<SimpleComplete>(*answer, sizeof(RndisHeader))->status.get(),
            rndis_status::kInvalidData);
}

TEST_F(ControlTest, AddressThatTheGuestWantsIsTaken) {
  struct {
    ConfigParameter parameter;
    std::array<le16, 14> name;
    std::array<le16, 12> value;
  } config{};
  config.parameter = {uint32_t{sizeof(ConfigParameter)}, 28u, kConfigString,
                      uint32_t{sizeof(ConfigParameter) + 28}, 24u};
  const std::string_view name = "NetworkAddress";
  const std::string_view value = "02aABBccdd0F";
  for (size_t i = 0; i < name.size(); ++i)
    config.name[i] = static_cast<uint8_t>(name[i]);
  for (size_t i = 0; i < value.size(); ++i)
    config.value[i] = static_cast<uint8_t>(value[i]);
  const auto info = std::as_bytes(std::span(&config, 1));
  EXPECT_EQ(driver().set(oid::kConfigParameter, info), rndis_status::kSuccess);
  EXPECT_EQ(adapter_->mac(), (MacAddress{0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x0f}));
  config.value[0] = uint8_t{'x'};
  EXPECT_EQ(driver().set(oid::kConfigParameter, info), rndis_status::kInvalidData);
  config.value[0] = uint8_t{'0'};
  config.value[1] = uint8_t{'1'};
  EXPECT_EQ(driver().set(oid::kConfigParameter, info), rndis_status::kInvalidData) << "a group";
  EXPECT_EQ(adapter_->mac()[0], 0x02);
}

TEST_F(ControlTest, ScalingWithChannelsThatAreNotThereIsInvalid) {
  struct {
    ScaleParameters parameters;
    std::array<le32, 4> table;
    std::array<uint8_t, kHashKeyBytes> key;
  } scale{};
  scale.parameters.table_offset = uint32_t{sizeof(ScaleParameters)};
  scale.parameters.table_bytes = uint16_t{16};
  scale.parameters.key_offset = uint32_t{sizeof(ScaleParameters) + 16};
  scale.parameters.key_bytes = uint16_t{kHashKeyBytes};
  const auto info = std::as_bytes(std::span(&scale, 1));
  EXPECT_EQ(driver().set(oid::kReceiveScaleParameters, info), rndis_status::kSuccess);
  scale.table[2] = 3;
  EXPECT_EQ(driver().set(oid::kReceiveScaleParameters, info), rndis_status::kInvalidData);
  scale.table[2] = 0;
  scale.parameters.table_offset = 0xFFFFFFFC;
  EXPECT_EQ(driver().set(oid::kReceiveScaleParameters, info), rndis_status::kInvalidData);
}

TEST_F(ControlTest, RequestInABrokenMessageGetsNoAnswerAndIsCounted) {
  const auto pfns = guest_.alloc_pages(1);
  std::memset(guest_.host_pointer(pfns[0]), 0xFF, 64);
  const RndisPacketMessage body{kChannelControl, kNoSection, 0u};
  driver().channel().send_gpa_direct(
      5, 0, 64, pfns, wire_bytes(make_message(message_type::kSendRndisPacket, body)));
  EXPECT_FALSE(driver().receive());
  EXPECT_EQ(errors(GuestError::kBadRndis), 1u);
  EXPECT_TRUE(driver().query(oid::kLinkSpeed)) << "the next one is served";
}

}  // namespace
}  // namespace viridian::netvsp
