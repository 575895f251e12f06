// A switch as simple as it can be written: what a VirtualSwitch must do, frame by frame.
//
// std::map for addresses, a list of ports, no bursts, no masks, no references. Its guards are a
// few lines for the few kinds of frames that the random test sends; the parser has its own tests.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "vswitch/mac_table.h"
#include "vswitch/port_settings.h"

namespace viridian::vswitch {

enum class Content : uint8_t { kPlain, kDhcpOffer, kRouterAdvertisement, kUdpToPort7 };

struct ModelFrame {
  MacAddress destination;
  MacAddress source;
  std::optional<uint16_t> tag;
  Content content = Content::kPlain;
};

struct ModelDelivery {
  PortId port;
  std::optional<uint16_t> tag;
  auto operator<=>(const ModelDelivery&) const = default;
};

class SwitchModel {
 public:
  explicit SwitchModel(uint32_t capacity, uint32_t age_s) : capacity_(capacity), age_s_(age_s) {}

  void set_kind(SwitchKind kind);
  void add(PortId id, const PortSettings& settings);
  void change(PortId id, const PortSettings& settings);
  void remove(PortId id);
  void set_time(uint32_t now_s);

  // Who gets the frame, and with which tag; empty: nobody.
  std::set<ModelDelivery> send(PortId from, const ModelFrame& frame);

  size_t known_count() const { return macs_.size(); }

 private:
  struct Entry {
    PortId port;
    bool fixed;
    uint32_t seen_s;
    uint32_t moves;
    uint32_t moves_s;
  };
  using Key = std::pair<uint16_t, MacAddress>;  // learning domain and address

  bool live(PortId id) const;
  uint16_t domain(uint16_t vlan) const;
  static bool sees(const VlanSettings& vlan, uint16_t id);
  static uint16_t own_vlan(const VlanSettings& vlan);
  void forget(PortId id);
  void place_own(PortId id);
  std::map<uint16_t, uint16_t> domains() const;
  void learn(const Key& key, PortId from);
  uint32_t learned_at(PortId id) const;
  ModelDelivery delivery(PortId id, uint16_t vlan, uint16_t priority) const;

  uint32_t capacity_;
  uint32_t age_s_;
  uint32_t now_s_ = 0;
  SwitchKind kind_ = SwitchKind::kPrivate;
  std::map<PortId, PortSettings> ports_;
  std::map<Key, Entry> macs_;
};

}  // namespace viridian::vswitch
