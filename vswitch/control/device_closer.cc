#include "vswitch/control/device_closer.h"

#include <algorithm>

namespace viridian::vswitch {

DeviceCloser::~DeviceCloser() {
  {
    const std::lock_guard hold(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DeviceCloser::close(std::unique_ptr<SwitchPort> device, const DeviceConfig& config) {
  {
    const std::lock_guard hold(mutex_);
    closing_.push_back({std::move(device), config});
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void DeviceCloser::wait_for(const DeviceConfig& config) {
  std::unique_lock hold(mutex_);
  changed_.wait(hold, [&] {
    return std::none_of(closing_.begin(), closing_.end(),
                        [&](const Closing& one) { return one.config.same_as(config); });
  });
}

void DeviceCloser::run() {
  std::unique_lock hold(mutex_);
  for (;;) {
    changed_.wait(hold, [this] { return quit_ || !closing_.empty(); });
    if (closing_.empty()) return;
    std::unique_ptr<SwitchPort> device = std::move(closing_.front().device);
    hold.unlock();
    device.reset();
    hold.lock();
    closing_.pop_front();
    changed_.notify_all();
  }
}

}  // namespace viridian::vswitch
