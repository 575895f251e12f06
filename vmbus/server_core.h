// Inside of the server: the connection, the offers and their channels. Used by server.cc and
// channel.cc only; the contract is in server.h. Everything but push() on the reactor's thread.
//
// A relid lives from its offer to the guest's release; its Channel object from then to then. The
// connection is kDisconnected, kConnected, or kDraining: the guest (contact, unload) or the machine
// (reset) ended it, and devices still finish requests; what ended it is answered after that.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "vmbus/channel.h"
#include "vmbus/device.h"
#include "vmbus/gpadl.h"
#include "vmbus/host.h"
#include "vmbus/message_queue.h"
#include "vmbus/protocol.h"
#include "vmbus/server.h"

namespace viridian::vmbus {

// A device and its channels: the primary first, then sub-channels.
struct Offer {
  Device* device = nullptr;
  OfferDescription description;
  std::vector<Channel*> channels;
  io::Completion* rescind_done = nullptr;

  bool has_sub_channels() const noexcept { return channels.size() > 1; }
};

class ServerCore {
 public:
  ServerCore(io::Reactor& reactor, const GuestMemory& memory, Host& host, Server::Options options);

  // server.h
  Result<void> offer(Device& device);
  void rescind(Device& device, io::Completion& done);
  uint16_t guest_message(uint32_t connection_id, std::span<const std::byte> payload) noexcept;
  void message_space() noexcept;
  void reset(io::Completion& done);

  // For channels.
  io::Reactor& reactor() noexcept { return reactor_; }
  const GuestMemory& memory() const noexcept { return memory_; }
  Host& host() noexcept { return host_; }
  GpadlTable& gpadls() noexcept { return gpadls_; }
  GuestErrors<ServerError>& errors() noexcept { return errors_; }
  const GuestErrors<ServerError>& errors() const noexcept { return errors_; }
  uint32_t version() const noexcept { return version_; }
  uint16_t offer_sub_channels(Channel& primary, uint16_t count) noexcept;
  void close_finished(Channel& channel) noexcept;

 private:
  enum class State : uint8_t { kDisconnected, kConnected, kDraining };
  struct Task : io::Completion {
    explicit Task(ServerCore& owner, Run callback) : io::Completion(callback), core(owner) {}
    ServerCore& core;
    bool queued = false;
  };

  // Messages (server_messages.cc)
  void take_messages() noexcept;
  void handle(std::span<const std::byte> message);
  void handle_connected(uint32_t type, std::span<const std::byte> message);
  void on_contact(const InitiateContact& contact);
  void negotiate(const InitiateContact& contact);
  void on_request_offers();
  void on_open(const OpenChannel& open);
  Result<void> open(Channel& channel, const OpenChannel& open);
  void on_close(uint32_t relid);
  void on_gpadl_header(std::span<const std::byte> message);
  void on_gpadl_body(std::span<const std::byte> message);
  void answer_gpadl(GpadlTable::Progress progress, uint32_t relid, uint32_t handle);
  void on_gpadl_teardown(const GpadlTeardown& teardown);
  void on_relid_released(uint32_t relid);
  void on_modify_channel(const ModifyChannel& modify);
  void on_unload();
  void send_torndown(uint32_t handle);

  template <WireStruct Body>
  void send(uint32_t type, Body body) {
    body.header.type = type;
    send_bytes(wire_bytes(body));
  }
  void send(uint32_t type) { send_bytes(wire_bytes(MessageHeader{type, 0})); }
  void send_bytes(std::span<const std::byte> bytes);
  void flush_outbound() noexcept;

  // Channels (server_core.cc)
  Channel* find(uint32_t relid) noexcept;
  Result<Channel*> add_channel(Offer& offer, uint16_t sub_channel_index);
  void send_offer(Channel& channel);
  void rescind(Channel& channel);
  void detach(Channel& channel);
  void remove(Channel& channel);
  void begin_close(Channel& channel);
  void begin_drain();
  void finish_drain();
  void bury() noexcept;
  void run_soon(Task& task) noexcept;

  io::Reactor& reactor_;
  const GuestMemory& memory_;
  Host& host_;
  const uint32_t max_version_;
  GuestErrors<ServerError> errors_;

  State state_ = State::kDisconnected;
  bool offers_requested_ = false;
  uint32_t version_ = 0;
  uint32_t contact_vp_ = 0;
  // What finish_drain() has to answer.
  std::optional<InitiateContact> pending_contact_;
  bool pending_unload_ = false;
  io::Completion* reset_done_ = nullptr;

  std::vector<std::unique_ptr<Offer>> offers_;
  std::vector<std::unique_ptr<Channel>> channels_;  // by relid; [0] stays empty
  std::vector<std::unique_ptr<Channel>> graves_;    // removed, with a completion still under way
  size_t open_channels_ = 0;                        // open or closing
  GpadlTable gpadls_;

  InboundQueue inbound_;
  std::deque<Message> outbound_;
  bool stalled_ = false;  // messages wait because outbound_ is full
  Task take_messages_;
  Task bury_;
  Task finish_drain_;
};

}  // namespace viridian::vmbus
