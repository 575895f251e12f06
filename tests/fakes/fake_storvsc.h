// The guest's storage driver on a FakeGuest: what Linux's hv_storvsc sends and takes, with the
// freedom to send what it never would. Nothing is allocated after the construction.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>

#include "storvsp/storvsp_protocol.h"
#include "tests/fakes/fake_guest.h"

namespace viridian::storvsp {

struct StorAnswer {
  uint64_t transaction_id;
  SrbPacket packet;

  VstorPacket plain() const { return *read_wire<VstorPacket>(wire_bytes(packet)); }
};

class FakeStorvsc {
 public:
  // `channel` may be null if the host refused it.
  FakeStorvsc(vmbus::FakeGuest& guest, std::unique_ptr<vmbus::GuestChannel> channel)
      : guest_(guest), channel_(std::move(channel)) {}

  vmbus::GuestChannel& channel() { return *channel_; }

  // BEGIN to END as storvsc_channel_init(); the properties, or nothing if a step failed.
  std::optional<ChannelProperties> initialize(uint16_t version = kVersionWin10);

  // Sends one control packet and waits for its answer.
  std::optional<VstorPacket> control(uint32_t operation, std::span<const std::byte> payload = {});

  // A packet for `cdb` on target 0, as storvsc_queuecommand() fills it in.
  static SrbPacket srb(uint8_t lun, std::initializer_list<uint8_t> cdb, uint32_t data_length);

  // False if the ring is full. Without pages the packet is an in-band one.
  bool send(uint64_t transaction_id, const SrbPacket& packet, std::span<const uint64_t> pfns = {},
            uint32_t offset = 0);
  bool send(uint64_t transaction_id, const SrbPacket& packet, std::span<const uint64_t> pfns,
            uint32_t offset, uint32_t byte_count);

  // The next answer, if one is there.
  std::optional<StorAnswer> receive();

 private:
  vmbus::FakeGuest& guest_;
  std::unique_ptr<vmbus::GuestChannel> channel_;
};

}  // namespace viridian::storvsp
