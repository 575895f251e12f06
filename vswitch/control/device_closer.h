// Closes devices on a thread of its own: the kernel takes 10 ms and more to take an interface away,
// and neither the switch nor who asked for it has to wait. A device that is wanted again is waited
// for, since its name is taken until it is closed.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "vswitch/control/config.h"
#include "vswitch/switch_port.h"

namespace viridian::vswitch {

class DeviceCloser {
 public:
  DeviceCloser() = default;
  ~DeviceCloser();  // when all are closed
  DeviceCloser(const DeviceCloser&) = delete;
  DeviceCloser& operator=(const DeviceCloser&) = delete;

  // `device` has left its switch and let go of the reactor.
  void close(std::unique_ptr<SwitchPort> device, const DeviceConfig& config);
  // Returns when no such device is being closed.
  void wait_for(const DeviceConfig& config);

 private:
  struct Closing {
    std::unique_ptr<SwitchPort> device;
    DeviceConfig config;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Closing> closing_;  // the first is the one that the thread is at
  bool quit_ = false;
  std::thread thread_;  // from the first device on
};

}  // namespace viridian::vswitch
