#include "vswitch/vhost_link.h"

#include <chrono>
#include <thread>
#include <utility>

namespace viridian::vswitch {
namespace {

// A burst takes microseconds; the worker may have lost its processor in the middle of one.
constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

VhostLink::VhostLink() {
  notice_.link = this;
  notice_.run = [](io::Completion& completion) noexcept {
    static_cast<Notice&>(completion).link->noticed();
  };
}

void VhostLink::tell() noexcept {
  if (reactor_ == nullptr || posted_) return;
  posted_ = true;
  reactor_->post(notice_);
}

void VhostLink::noticed() noexcept {
  {
    const std::lock_guard hold(mutex_);
    posted_ = false;
    if (reactor_ == nullptr) return;
  }
  changed_(context_);
}

bool VhostLink::give(VhostDevice device) {
  const std::lock_guard hold(mutex_);
  if (device_ && device_->id != device.id) return false;
  if (!device_) {
    alone_ = failed_ = false;
    closed_.store(false);
  }
  device_ = std::move(device);
  tell();
  return true;
}

bool VhostLink::pause(int id, Worker worker) {
  {
    const std::lock_guard hold(mutex_);
    if (!device_ || device_->id != id) return true;
    failed_ |= alone_;
    if (worker == Worker::kMayBeIn) return true;
    alone_ = true;
    closed_.store(true);
  }
  if (worker == Worker::kStaysOut) return true;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (inside_.load()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

void VhostLink::resume(int id) {
  const std::lock_guard hold(mutex_);
  if (!device_ || device_->id != id || failed_) return;
  alone_ = false;
  closed_.store(false);
  tell();
}

void VhostLink::take_back(int id) {
  std::unique_lock hold(mutex_);
  if (device_ && device_->id == id) device_.reset();
  if (held_ != id) return;
  tell();
  released_.wait(hold, [&] { return held_ != id; });
}

bool VhostLink::has(int id) const {
  const std::lock_guard hold(mutex_);
  return device_ && device_->id == id;
}

void VhostLink::start(io::Reactor& reactor, Changed changed, void* context) {
  const std::lock_guard hold(mutex_);
  reactor_ = &reactor;
  changed_ = changed;
  context_ = context;
  if (device_) tell();
}

std::optional<VhostDevice> VhostLink::take() {
  std::optional<VhostDevice> taken;
  {
    const std::lock_guard hold(mutex_);
    if (device_) {
      taken.emplace();
      taken->id = device_->id;
      taken->kick = std::move(device_->kick);
      taken->checksum = device_->checksum;
      taken->segmentation = device_->segmentation;
      taken->mtu = device_->mtu;
    }
    held_ = taken ? taken->id : -1;
  }
  released_.notify_all();
  return taken;
}

void VhostLink::stop() noexcept {
  io::Reactor* reactor = nullptr;
  {
    const std::lock_guard hold(mutex_);
    reactor = std::exchange(reactor_, nullptr);
    held_ = -1;
  }
  released_.notify_all();
  if (reactor == nullptr) return;
  reactor->run_until([this] {
    const std::lock_guard hold(mutex_);
    return !posted_;
  });
}

}  // namespace viridian::vswitch
