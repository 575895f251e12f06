// The guest's network driver on a FakeGuest: what Linux's hv_netvsc sends and takes, with the
// freedom to send what it never would.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "netvsp/ndis_spec.h"
#include "netvsp/nvsp_protocol.h"
#include "netvsp/rndis_protocol.h"
#include "tests/fakes/fake_guest.h"

namespace viridian::netvsp {

using Bytes = std::vector<std::byte>;

// A frame's offloads as per-packet information: type and value.
struct Info {
  uint32_t type;
  uint32_t value;
};

// An RNDIS message with one frame.
Bytes rndis_packet(std::span<const std::byte> frame, std::span<const Info> infos = {});

// What the host sent: RNDIS messages in sections of the receive buffer.
struct Received {
  uint64_t transaction_id = 0;
  uint32_t channel_type = 0;
  std::vector<Bytes> messages;
};

class FakeNetvsc {
 public:
  static constexpr uint16_t kReceiveId = 0xcafe;
  static constexpr uint32_t kReceivePages = 256;
  static constexpr uint32_t kSendPages = 64;

  FakeNetvsc(vmbus::FakeGuest& guest, std::unique_ptr<vmbus::GuestChannel> channel);

  vmbus::GuestChannel& channel() { return *channel_; }

  // As netvsc_device_add(): version, configuration, buffers. False if a step failed.
  bool connect(uint32_t version = kVersion61, uint32_t mtu = 1514, uint64_t capabilities = 0x80,
               uint32_t receive_pages = kReceivePages, uint32_t send_pages = kSendPages);
  // The steps of it.
  std::optional<InitComplete> init(uint32_t version);
  // The buffer may begin within its first page.
  ReceiveBufferComplete give_receive_buffer(uint32_t pages = kReceivePages, uint32_t offset = 0);
  SendBufferComplete give_send_buffer(uint32_t pages = kSendPages);

  // Sends one NVSP message; the answer if one is wanted.
  std::optional<Message> nvsp(const Message& message, bool wants_answer = true);

  // One RNDIS control request, and the answer's message.
  std::optional<Bytes> control(uint32_t type, std::span<const std::byte> body);
  std::optional<Bytes> query(uint32_t oid, std::span<const std::byte> info = {});
  std::optional<uint32_t> set(uint32_t oid, std::span<const std::byte> info);
  bool initialize();
  bool set_filter(uint32_t filter);

  // Puts `message` into section `section` of the send buffer and sends it. False: the ring is full.
  bool send_section(uint64_t id, uint32_t section, std::span<const std::byte> message);
  bool send_section(uint64_t id, uint32_t section, uint32_t length);
  // The same in pages of its own.
  bool send_direct(uint64_t id, std::span<const std::byte> message, uint32_t offset = 0,
                   std::vector<uint64_t>* pfns = nullptr);

  // The status that packet `id` was answered with, if it was.
  std::optional<uint32_t> answer_of(uint64_t id);
  // The next packet with RNDIS messages; it is given back at once, or by give_back().
  std::optional<Received> receive(bool give_back = true);
  bool give_back(uint64_t transaction_id);
  bool complete(uint64_t transaction_id);  // the same, and the host may not have seen it yet

  // Bytes of the receive buffer.
  void copy_received(uint32_t at, std::span<std::byte> into) const;

  std::byte* send_page(uint32_t page) { return guest_.host_pointer(send_pfns_.at(page)); }
  uint32_t send_gpadl() const { return send_gpadl_; }
  uint32_t receive_gpadl() const { return receive_gpadl_; }

 private:
  void pump();
  std::optional<Received> take(const vmbus::GuestPacket& packet);

  vmbus::FakeGuest& guest_;
  std::unique_ptr<vmbus::GuestChannel> channel_;
  std::vector<uint64_t> receive_pfns_;
  std::vector<uint64_t> send_pfns_;
  uint32_t receive_gpadl_ = 0;
  uint32_t receive_offset_ = 0;
  uint32_t send_gpadl_ = 0;
  uint32_t next_request_ = 1;
  std::vector<Received> received_;
  std::vector<std::pair<uint64_t, Message>> answers_;
};

// The frame of an RNDIS packet message, and the value of one of its informations.
Bytes frame_of(std::span<const std::byte> message);
std::optional<uint32_t> info_of(std::span<const std::byte> message, uint32_t type);

}  // namespace viridian::netvsp
