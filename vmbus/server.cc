#include "vmbus/server.h"

#include "vmbus/server_core.h"

namespace viridian::vmbus {

Server::Server(io::Reactor& reactor, const GuestMemory& memory, Host& host)
    : Server(reactor, memory, host, Options{}) {}

Server::Server(io::Reactor& reactor, const GuestMemory& memory, Host& host, Options options)
    : core_(std::make_unique<ServerCore>(reactor, memory, host, options)) {}

Server::~Server() = default;

Result<void> Server::offer(Device& device) { return core_->offer(device); }

void Server::rescind(Device& device, io::Completion& done) { core_->rescind(device, done); }

uint16_t Server::guest_message(uint32_t connection_id,
                               std::span<const std::byte> payload) noexcept {
  return core_->guest_message(connection_id, payload);
}

void Server::message_space() noexcept { core_->message_space(); }

void Server::reset(io::Completion& done) { core_->reset(done); }

const GuestErrors<ServerError>& Server::errors() const noexcept { return core_->errors(); }

}  // namespace viridian::vmbus
