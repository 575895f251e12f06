// What a service behind VMBus is: an offer, and what happens on its channels.
//
// The server calls every member on its reactor's thread, and never from inside a call of the
// device to a Channel, so a device needs no locks and sees no recursion.
#pragma once

#include <array>
#include <cstdint>

#include "base/guid.h"
#include "base/result.h"

namespace viridian::vmbus {

class Channel;

// The fields of an offer that a device chooses: Linux's struct vmbus_channel_offer.
struct OfferDescription {
  Guid type;
  Guid instance;
  uint16_t flags = 1;  // ENUMERATE_DEVICE_INTERFACE; see protocol.h
  uint16_t mmio_megabytes = 0;
  std::array<uint8_t, 120> user_defined{};
  uint16_t max_sub_channels = 0;  // at most kMaxSubChannels
};

class Device {
 public:
  virtual ~Device() = default;

  // Asked once, in Server::offer().
  virtual OfferDescription offer() const = 0;

  // The guest opens the primary channel (sub_channel_index() == 0) or a sub-channel. What open()
  // sends arrives after the guest has been told of the success. After an error the guest is told
  // that the open failed, close() is not called, and the Channel must not be used.
  virtual Result<void> open(Channel& channel) = 0;

  // There may be packets: take them with peek() and consume(). A device that stops before peek()
  // has returned null calls channel.resume() once it can take more; until then the guest's
  // doorbell stays masked. The channel is flushed after the return.
  virtual void doorbell(Channel& channel) noexcept = 0;

  // A try_ call had returned false, and there may be room again. Flushed after the return.
  virtual void writable(Channel& channel) noexcept { static_cast<void>(channel); }

  // The channel is over: closed by the guest, rescinded, or reset. From now on peek() returns
  // null, find_gpadl()'s buffers stay, and what is sent is dropped. The device calls
  // channel.close_complete(), at once or later, when none of its requests touches guest memory any
  // more; the guest gets its pages back then. The Channel must not be used after close_complete().
  virtual void close(Channel& channel) noexcept = 0;

  // The guest broke the channel's ring: peek() returns null and what is sent is dropped until
  // close(). For counting; there is nothing to do.
  virtual void faulted(Channel& channel) noexcept { static_cast<void>(channel); }

  // The guest takes a buffer back that find_gpadl() gave: its pages must not be touched after the
  // return. Not called for rings, nor for the GPADLs that go with a closed channel.
  virtual void gpadl_torn_down(Channel& channel, uint32_t handle) noexcept {
    static_cast<void>(channel);
    static_cast<void>(handle);
  }
};

}  // namespace viridian::vmbus
