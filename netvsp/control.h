// The control half of RNDIS: what a guest asks of its network device, and what it sets.
//
// One request in, at most one answer out, both plain bytes: no channel, no buffers. A request comes
// as a copy. The reactor's thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "netvsp/flow_hash.h"
#include "netvsp/limits.h"
#include "netvsp/ndis_spec.h"
#include "netvsp/rndis_protocol.h"
#include "netvsp/statistics.h"

namespace viridian::netvsp {

using MacAddress = std::array<uint8_t, 6>;

// What the guest may be told of its device.
struct ControlIdentity {
  MacAddress mac{};
  std::string friendly_name;
  uint16_t max_mtu = 1500;
  uint64_t link_bits_per_second = 10'000'000'000;
  uint16_t max_channels = 1;
};

// What the guest has set.
struct Offloads {
  bool rsc_ipv4 = false;
  bool rsc_ipv6 = false;
};
struct Scaling {
  bool enabled = false;
  std::array<uint16_t, kHashTableEntries> table{};  // of channels
  HashKey key;
};

class Control {
 public:
  Control(const ControlIdentity& identity, Statistics& statistics);

  // Handles one message; the answer, or nothing, is good until the next call.
  std::span<const std::byte> handle(std::span<const std::byte> message) noexcept;
  // As a message of its own: the link went up or down.
  std::span<const std::byte> indicate_link(bool up) noexcept;

  // The guest's driver has gone or begins again.
  void reset() noexcept;

  void set_link(bool up) noexcept { link_up_ = up; }
  void set_mtu(uint16_t mtu) noexcept { mtu_ = mtu; }
  void set_rsc_allowed(bool allowed) noexcept { rsc_allowed_ = allowed; }

  bool is_link_up() const noexcept { return link_up_; }
  bool is_initialized() const noexcept { return initialized_; }
  uint32_t filter() const noexcept { return filter_; }
  const MacAddress& mac() const noexcept { return mac_; }
  const Offloads& offloads() const noexcept { return offloads_; }
  const Scaling& scaling() const noexcept { return scaling_; }
  // Whether a frame to `destination` passes the guest's filter.
  bool accepts(const uint8_t* destination) const noexcept;

 private:
  std::span<const std::byte> initialize(std::span<const std::byte> body) noexcept;
  std::span<const std::byte> query(std::span<const std::byte> body) noexcept;
  std::span<const std::byte> set(std::span<const std::byte> body) noexcept;

  // Fills in the answer's information buffer: its length, or nothing if the OID is not known.
  std::optional<size_t> answer_query(uint32_t oid, std::span<const std::byte> info,
                                     std::span<std::byte> out) noexcept;
  std::optional<uint32_t> answer_word(uint32_t oid) const noexcept;
  size_t answer_list(std::span<std::byte> out) const noexcept;
  size_t answer_name(std::span<std::byte> out) const noexcept;
  size_t answer_offloads(std::span<const std::byte> info, std::span<std::byte> out,
                         bool current) const noexcept;
  uint32_t apply_set(uint32_t oid, std::span<const std::byte> info) noexcept;
  uint32_t set_offloads(std::span<const std::byte> info) noexcept;
  uint32_t set_scaling(std::span<const std::byte> info) noexcept;
  uint32_t set_config(std::span<const std::byte> info) noexcept;

  template <WireStruct Body>
  std::span<const std::byte> finish(uint32_t type, const Body& body, size_t info_bytes) noexcept;

  ControlIdentity identity_;
  Statistics& statistics_;
  bool link_up_ = true;
  bool rsc_allowed_ = false;
  bool initialized_ = false;
  uint16_t mtu_;
  uint32_t filter_ = 0;
  MacAddress mac_;
  Offloads offloads_;
  Scaling scaling_;
  std::array<std::byte, kMaxControlBytes> answer_{};
};

}  // namespace viridian::netvsp
