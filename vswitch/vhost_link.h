// Hands the device of a vhost-user front end from rte_vhost's thread to the worker that moves its
// frames, and back before rte_vhost frees it.
//
// rte_vhost's thread gives and takes back; the worker takes and lets go, on its reactor, where a
// posted completion tells it of a change. While rte_vhost handles some messages of the front end
// the worker keeps out of the rings, where the library's own locks do not protect it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "io/reactor.h"

namespace viridian::vswitch {

struct VhostDevice {
  int id = -1;                // of rte_vhost
  UniqueFd kick;              // what the guest rings when it has sent: a duplicate
  bool checksum = false;      // the guest takes frames whose checksum is not made yet
  bool segmentation = false;  // and large ones
  uint16_t mtu = 0;           // of the front end; 0: it does not say
};

class VhostLink {
 public:
  using Changed = void (*)(void* context) noexcept;

  VhostLink();

  // rte_vhost's thread. Of the same device again: what changed in it. False: another one is there.
  bool give(VhostDevice device);
  // Around a message of its front end. A worker that stays out does not go into the rings again
  // until resume(); after a message that failed, which has no resume(), until the device is given
  // anew. It may be on its way in or out; one that is out is not, unless it gets no processor: then
  // this returns false after a short time. After any message the worker looks again.
  enum class Worker : uint8_t { kMayBeIn, kStaysOut, kIsOut };
  bool pause(int id, Worker worker);
  void resume(int id);
  // Returns when the worker has let go of it. Nothing happens if it is not there.
  void take_back(int id);
  bool has(int id) const;

  // Worker's thread. `changed` runs on it when take() has something new, until stop().
  void start(io::Reactor& reactor, Changed changed, void* context);
  // What is there now; none: the worker no longer uses what was. Its kick is empty if it is the one
  // that was taken before.
  std::optional<VhostDevice> take();
  // Around each call of rte_vhost; false: not now.
  bool enter() noexcept {
    inside_.store(true);
    if (!closed_.load()) return true;
    inside_.store(false);
    return false;
  }
  void leave() noexcept { inside_.store(false, std::memory_order_release); }
  // Lets go for good; turns the reactor; not from a callback.
  void stop() noexcept;

 private:
  struct Notice : io::Completion {
    VhostLink* link = nullptr;
  };
  void tell() noexcept;  // with the lock
  void noticed() noexcept;

  mutable std::mutex mutex_;
  std::condition_variable released_;
  io::Reactor* reactor_ = nullptr;  // null: nobody takes
  Changed changed_ = nullptr;
  void* context_ = nullptr;
  std::optional<VhostDevice> device_;
  int held_ = -1;  // the device that the worker uses
  bool posted_ = false;
  bool alone_ = false;   // between pause() and resume()
  bool failed_ = false;  // one had no resume()
  std::atomic<bool> closed_{false};
  std::atomic<bool> inside_{false};
  Notice notice_;
};

}  // namespace viridian::vswitch
