// A block device on a file, through the kernel's loop driver: for tests of passthrough. Needs root.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <string>

#include "io/unique_fd.h"

namespace viridian {

class LoopDevice {
 public:
  // The device goes when this object and its users are gone. Check ok().
  explicit LoopDevice(const std::string& file) {
    const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    const UniqueFd backing(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    // Another program may take the free device first.
    for (int attempt = 0; attempt < 16 && !ok(); ++attempt) {
      const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
      if (number < 0) return;
      path_ = "/dev/loop" + std::to_string(number);
      device_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
      loop_config config = {};
      config.fd = static_cast<uint32_t>(backing.get());
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (::ioctl(device_.get(), LOOP_CONFIGURE, &config) != 0) device_ = {};
    }
  }

  bool ok() const { return static_cast<bool>(device_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  UniqueFd device_;
};

}  // namespace viridian
