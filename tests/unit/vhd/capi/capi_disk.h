// A disk opened through the C interface, for its tests: closed at the end of the scope.
#pragma once

#include <gtest/gtest.h>

#include <viridian/vhd.h>

#include <string>
#include <vector>

namespace viridian::vhd {

inline viridian_vhd_open_options open_options(uint32_t flags = 0) {
  viridian_vhd_open_options options = {};
  options.struct_size = sizeof(options);
  options.flags = flags;
  return options;
}

inline int make_image(const std::string& path, uint32_t kind, uint64_t size_bytes,
                      const char* parent = nullptr, viridian_vhd_error* error = nullptr) {
  viridian_vhd_create_options options = {};
  options.struct_size = sizeof(options);
  options.kind = kind;
  options.size_bytes = size_bytes;
  options.parent = parent;
  return viridian_vhd_create(path.c_str(), &options, error);
}

class CapiDisk {
 public:
  explicit CapiDisk(const std::string& path, viridian_vhd_open_options options = open_options()) {
    viridian_vhd_error error;
    EXPECT_EQ(viridian_vhd_open(path.c_str(), &options, &disk_, &error), 0) << error.message;
  }
  explicit CapiDisk(viridian_vhd* disk) : disk_(disk) {}
  CapiDisk(const CapiDisk&) = delete;
  CapiDisk& operator=(const CapiDisk&) = delete;
  ~CapiDisk() { EXPECT_EQ(close(), 0); }

  operator viridian_vhd*() const { return disk_; }
  int close() { return viridian_vhd_close(std::exchange(disk_, nullptr), nullptr); }

  viridian_vhd_info info() {
    viridian_vhd_info info = {};
    info.struct_size = sizeof(info);
    EXPECT_EQ(viridian_vhd_get_info(disk_, &info, nullptr), 0);
    return info;
  }
  int write(uint64_t offset, size_t length, int fill) {
    std::vector<char> bytes(length, static_cast<char>(fill));
    const iovec part = {bytes.data(), length};
    return viridian_vhd_writev(disk_, &part, 1, offset, 0, nullptr);
  }
  // The byte that fills the range; -1000 if it is not one, or the errno.
  int fill_of(uint64_t offset, size_t length) {
    std::vector<char> bytes(length, 'x');
    const iovec part = {bytes.data(), length};
    if (const int result = viridian_vhd_readv(disk_, &part, 1, offset, nullptr); result != 0) {
      return result;
    }
    for (const char byte : bytes) {
      if (byte != bytes.front()) return -1000;
    }
    return bytes.front();
  }

 private:
  viridian_vhd* disk_ = nullptr;
};

}  // namespace viridian::vhd
