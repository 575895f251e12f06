// A million random operations on a switch and on a model of one: they must never differ. Again on a
// switch of several workers, who have all heard of a frame before the next one comes.
// VIRIDIAN_TEST_FACTOR makes them more or fewer.
#include <random>

#include "tests/support/test_factor.h"
#include "tests/unit/vswitch/group_fixture.h"
#include "tests/unit/vswitch/ip_frames.h"
#include "tests/unit/vswitch/switch_model.h"

namespace viridian::vswitch {
namespace {

constexpr unsigned kOperations = 1'000'000;
constexpr PortId kPorts = 10;
constexpr uint32_t kCapacity = 24;
constexpr uint32_t kAgeS = 20;

class Model : public GroupTest {
 protected:
  explicit Model(unsigned workers = 1)
      : GroupTest(workers, {.mac_capacity = kCapacity, .mac_age_s = kAgeS}) {}

  bool is_there(PortId id) { return group_->view(0).port(id) != nullptr; }
  unsigned worker_for(PortId id) { return id % group_->worker_count(); }

  unsigned random(unsigned below) { return static_cast<unsigned>(random_() % below); }
  bool chance(unsigned one_in) { return random(one_in) == 0; }

  uint16_t vlan() { return static_cast<uint16_t>(1 + random(3)); }
  VlanSet some_vlans() {
    VlanSet set;
    for (uint16_t id = 1; id < 4; ++id)
      set.set(id, chance(2));
    for (uint16_t id = 11; id < 14; ++id)
      set.set(id, chance(3));
    return set;
  }

  VlanSettings vlan_settings() {
    VlanSettings result;
    result.mode = static_cast<VlanMode>(random(6));
    if (result.mode != VlanMode::kUntagged) result.vlan = vlan();
    if (result.mode == VlanMode::kTrunk && chance(2)) result.vlan = 0;
    if (result.mode == VlanMode::kIsolated) result.secondary = 11;
    if (result.mode == VlanMode::kCommunity)
      result.secondary = static_cast<uint16_t>(12 + random(2));
    if (result.secondary != 0) result.vlan = 1;
    if (result.mode == VlanMode::kTrunk || result.mode == VlanMode::kPromiscuous)
      result.allowed = some_vlans();
    if (result.mode == VlanMode::kPromiscuous) result.allowed.reset(result.vlan);
    return result;
  }

  PortSettings settings(PortId id) {
    PortSettings result;
    result.name = std::to_string(id);
    result.role = id == 0 ? PortRole::kUplink : id == 1 ? PortRole::kHost : PortRole::kGuest;
    result.vlan = vlan_settings();
    if (chance(3)) result.mac = station(static_cast<uint8_t>(1 + id));
    result.mac_guard = !result.mac.is_zero() && chance(3);
    result.dhcp_guard = chance(3);
    result.router_guard = chance(3);
    result.storm_limit = 0;
    result.mac_limit = 2 + random(8);
    if (chance(6)) result.mirror = MirrorMode::kSource;
    if (chance(10)) result.mirror = MirrorMode::kDestination;
    if (chance(4)) {
      AclRule rule = {.any_protocol = false, .protocol = 17, .destination_ports = {7, 7}};
      if (chance(2)) rule.direction = AclDirection::kOut;
      result.acl.push_back(rule);
    }
    return result;
  }

  ModelFrame frame() {
    ModelFrame result;
    result.source = station(static_cast<uint8_t>(random(14)));
    result.destination = station(static_cast<uint8_t>(random(14)));
    if (chance(8)) result.destination = kBroadcast;
    if (chance(50)) result.source = chance(2) ? MacAddress{} : kBroadcast;
    if (chance(3)) {
      const uint16_t id = chance(2) ? vlan() : static_cast<uint16_t>(random(15));
      result.tag = static_cast<uint16_t>(id | (random(8) << 13));
    }
    if (chance(2)) result.content = static_cast<Content>(random(4));
    return result;
  }

  static fakes::PlainFrame plain(const ModelFrame& frame) {
    Bytes packet;
    uint16_t type = 0x0800;
    switch (frame.content) {
      case Content::kPlain:
        type = 0x88B5;
        break;
      case Content::kDhcpOffer:
        packet = ipv4(17, udp(67, 68));
        break;
      case Content::kRouterAdvertisement:
        packet = ipv6(58, Bytes{134, 0, 0, 0});
        type = 0x86DD;
        break;
      case Content::kUdpToPort7:
        packet = ipv4(17, udp(1000, 7));
        break;
    }
    fakes::PlainFrame result = fakes::ethernet(frame.destination, frame.source, type, packet);
    result.tag = frame.tag;
    return result;
  }

  void send_one() {
    const auto from = static_cast<PortId>(random(kPorts));
    if (!is_there(from)) return;
    const ModelFrame sent = frame();
    const fakes::PlainFrame bytes = plain(sent);
    const auto expected = model_.send(from, sent);
    GroupTest::send(from, bytes);
    std::set<ModelDelivery> got;
    for (PortId id = 0; id < kPorts; ++id) {
      for (const fakes::PlainFrame& taken : ports_[id]->take()) {
        EXPECT_TRUE(got.insert({id, taken.tag}).second) << "twice to port " << id;
        EXPECT_EQ(taken.bytes, bytes.bytes);
      }
    }
    deliveries_ += got.size();
    ASSERT_EQ(got, expected) << "a frame of port " << from;
    // After the frame was sent its source is known, so the answer is the same again.
    explain_agrees(from, bytes, got);
  }

  void explain_agrees(PortId from, const fakes::PlainFrame& frame,
                      const std::set<ModelDelivery>& got) {
    const Explanation told = group_->home_of(from).explain(from, frame.bytes, frame.tag);
    std::set<PortId> ports(told.mirrors.begin(), told.mirrors.end());
    for (const auto& receiver : told.receivers) {
      if (receiver.reason == DropReason::kNone) ports.insert(receiver.port);
    }
    std::set<PortId> real;
    for (const ModelDelivery& one : got)
      real.insert(one.port);
    ASSERT_EQ(ports, real) << told.text();
  }

  void change_something() {
    const auto id = static_cast<PortId>(random(kPorts));
    switch (random(4)) {
      case 0:
        group_->set_kind(static_cast<SwitchKind>(random(3)));
        model_.set_kind(group_->view(0).kind());
        return;
      case 1:
        now_ns_ += (chance(2) ? 1 : 1 + random(25)) * kSecond;
        model_.set_time(static_cast<uint32_t>(now_ns_ / kSecond));
        turn_all();
        return;
      case 2:
        if (is_there(id)) {
          count(id);
          group_->remove_port(id);
          model_.remove(id);
          return;
        }
        [[fallthrough]];
      default:
        set_port(id);
    }
  }

  // The settings are legal alone; together they may not be, and then both stay as they were.
  void set_port(PortId id) {
    const PortSettings chosen = settings(id);
    if (is_there(id)) {
      if (group_->change_ports({{{id, &chosen}}})) model_.change(id, chosen);
      return;
    }
    // The lowest free number is given.
    PortId free = 0;
    while (is_there(free))
      ++free;
    PortSettings own = chosen;
    own.name = std::to_string(free);
    own.role = free == 0 ? PortRole::kUplink : free == 1 ? PortRole::kHost : PortRole::kGuest;
    const auto added = group_->add_port(worker_for(free), *ports_[free], own);
    if (added) model_.add(*added, own);
  }

  void compare(uint64_t operations);

  // What a port has counted until now: in the end as much went out as came in.
  void count(PortId id) {
    PortCounters sum;
    group_->add_counters(id, sum);
    in_ += sum.rx_frames.get() + sum.copies.get();
    out_ += sum.tx_frames.get() + sum.all_dropped();
  }

  std::mt19937_64 random_{4};
  SwitchModel model_{kCapacity, kAgeS};
  uint64_t deliveries_ = 0;
  uint64_t in_ = 0;
  uint64_t out_ = 0;
};

void Model::compare(uint64_t operations) {
  removed_ = true;
  for (PortId id = 0; id < kPorts; ++id) {
    ports_.push_back(std::make_unique<fakes::FakePort>(pool_));
    ports_.back()->features_.takes_frames = id % 3 == 1;
  }
  for (PortId id = 0; id < kPorts; ++id)
    set_port(id);
  model_.set_time(static_cast<uint32_t>(now_ns_ / kSecond));
  for (uint64_t i = 0; i < operations && !HasFatalFailure(); ++i) {
    SCOPED_TRACE(i);
    if (chance(64)) {
      change_something();
    } else {
      send_one();
    }
    for (unsigned worker = 0; worker < group_->worker_count(); ++worker)
      ASSERT_EQ(group_->view(worker).macs().size(), model_.known_count()) << worker;
  }
  // Each frame was sent or dropped for a reason, those of ports that are gone too.
  for (PortId id = 0; id < kPorts; ++id) {
    if (is_there(id)) count(id);
  }
  EXPECT_EQ(in_, out_);
  EXPECT_GT(in_, operations / 8);
  // The random frames are not all dropped: there was something to compare.
  EXPECT_GT(deliveries_, operations / 8);
}

TEST_F(Model, SwitchDoesWhatASimpleModelDoes) { compare(scaled(kOperations)); }

class ModelOfWorkers : public Model {
 protected:
  ModelOfWorkers() : Model(2) {}
};

TEST_F(ModelOfWorkers, SwitchOfTwoWorkersDoesTheSame) { compare(scaled(kOperations)); }

}  // namespace
}  // namespace viridian::vswitch
