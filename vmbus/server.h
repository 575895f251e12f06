// The host's side of VMBus: versions 2.4 to 5.3 of the channel protocol, offers, GPADLs, channels.
//
// One server for each guest. It knows the guest as memory, messages and doorbells (vmbus/host.h).
// Every request of the guest is answered, since Linux waits for each without a timeout; what makes
// no sense is counted and otherwise ignored. Left out: monitor pages, Hyper-V sockets (answered
// with a failure), save and restore, the extensions of protocol 6.0.
// Threads: guest_message() from any; every other member on the reactor's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/guest_errors.h"
#include "base/guest_memory.h"
#include "io/reactor.h"
#include "vmbus/device.h"
#include "vmbus/host.h"
#include "vmbus/version.h"

namespace viridian::vmbus {

// Results of HvPostMessage: TLFS appendix B.
constexpr uint16_t kHvSuccess = 0x0000;
constexpr uint16_t kHvInvalidParameter = 0x0005;
constexpr uint16_t kHvInvalidConnectionId = 0x0012;
constexpr uint16_t kHvInsufficientBuffers = 0x0013;  // Linux waits and tries again

enum class ServerError : uint8_t {
  kUnknownMessage,  // a type that is not the guest's to send, or too new for the version
  kShortMessage,    // shorter than its type's structure
  kNotConnected,    // before INITIATE_CONTACT or while the connection is torn down
  kUnknownChannel,  // a relid that is not offered
  kBadState,        // open of an open channel, close of a closed one
  kBadGpadl,        // header, body or handle that makes no sense, or over a limit
  kBadOpen,         // ring GPADL or offset that cannot be rings
  kOpenRefused,     // the device or the host's doorbell said no
  kRingFault,       // indices or packets that break a ring
  kRefusedVersion,  // a version that is not supported, answered so
  kCount,
};

class ServerCore;

class Server {
 public:
  struct Options {
    uint32_t max_version = kVersion5_3;  // refuse newer ones, which guests then do without
  };

  // All three must outlive the server.
  Server(io::Reactor& reactor, const GuestMemory& memory, Host& host);
  Server(io::Reactor& reactor, const GuestMemory& memory, Host& host, Options options);
  ~Server();  // REQUIRES: a reset() is done, and nothing happened since
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Offers `device` to the guest, now or as soon as it asks. The device must outlive the server or
  // the end of its rescind(). An error if relids run out, or the same instance is offered twice.
  Result<void> offer(Device& device);

  // Takes `device` away from the guest, sub-channels first. `done` runs when the device's channels
  // are closed and the server has forgotten it; the device may then be destroyed.
  void rescind(Device& device, io::Completion& done);

  // The guest's HvPostMessage on `connection_id`. Any thread; returns the hypercall's status.
  uint16_t guest_message(uint32_t connection_id, std::span<const std::byte> payload) noexcept;

  // Host::post_message() has room again after it had returned false.
  void message_space() noexcept;

  // The machine is reset or ends: closes every channel, forgets connection and GPADLs. The offers
  // stay and are made again at the next contact. `done` runs when no device touches guest memory.
  // Guest messages that arrive before are dropped.
  void reset(io::Completion& done);

  const GuestErrors<ServerError>& errors() const noexcept;

 private:
  std::unique_ptr<ServerCore> core_;
};

}  // namespace viridian::vmbus
