// A port of the switch, as the switch sees it: where frames come from and where they go.
//
// netvsp and nic-21140 implement this for guests, vswitch for the host's side (tap, ethdev,
// vhost-user). A port belongs to one worker: every call comes on that worker's thread, which is a
// reactor's, so what wakes a sleeping worker is an event on the same reactor, and the port owns it.
#pragma once

#include <cstdint>
#include <span>

#include "vswitch/frame.h"

namespace viridian::vswitch {

// What a port takes as it is. The switch does the rest in software before it calls transmit().
struct PortFeatures {
  bool checksum = false;      // TCP and UDP over IPv4 and IPv6, and IPv4 headers
  bool segmentation = false;  // TCP over IPv4 and IPv6 up to kMaxFrameBytes; needs `checksum`
  uint16_t mtu = 1500;        // of one packet, without the Ethernet header
  bool udp_checksum = true;   // false: `checksum` is not for UDP
  bool takes_frames = false;  // transmit() takes a reference of each frame over; never changes
};

class SwitchPort {
 public:
  virtual ~SwitchPort() = default;

  virtual PortFeatures features() const noexcept = 0;

  // Takes frames from outside into the switch: fills `frames` from the front and returns how many.
  // They are the caller's from then on. Each is as frame.h says.
  virtual uint16_t receive(std::span<rte_mbuf*> frames) noexcept = 0;

  // Gives frames to the outside and returns how many it took, from the front; the rest is dropped
  // and counted by the switch. It only borrows them, since other ports may get the same ones: it
  // changes nothing in them, and what it needs after the call it copies or takes a reference of
  // (rte_pktmbuf_refcnt_update: of each segment). vlan_tci and kFrameVlan hold only for the call:
  // another port may get the same frame without its tag. A port that says takes_frames owns one
  // reference of each frame that it took, and may change the frame if there is no other.
  virtual uint16_t transmit(std::span<rte_mbuf* const> frames) noexcept = 0;

  // The last transmit() of this round was made: publish, and ring once.
  virtual void flush() noexcept {}

  // Before the worker sleeps: asks for an event on the reactor when there is something to receive.
  // False: there is something now, so the worker must not sleep.
  virtual bool arm() noexcept = 0;
  // After it woke: no events are needed until the next arm().
  virtual void disarm() noexcept = 0;

  // False: nobody is at the other end, and frames for it are lost.
  virtual bool carrier() const noexcept { return true; }

  // The cable is in or out, as who sets up the switch says: the other end sees it, where it can.
  // Called when the port gets its settings, also with what is so already.
  virtual void set_link(bool /*up*/) noexcept {}

  // It has left its switch for good: lets go of the reactor, which it may turn; not from a
  // callback. Then it may be destroyed by any thread, and what takes long happens there.
  virtual void close() noexcept {}
};

}  // namespace viridian::vswitch
