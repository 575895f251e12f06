// One file in the states of a power cut: what is durable, and a real file in memory that shows a
// state and goes back to what is durable. A state costs as much as what it changes.
#pragma once

#include <random>
#include <span>
#include <string>
#include <vector>

#include "io/change_log.h"
#include "io/unique_fd.h"

namespace viridian {

enum class Applied : uint8_t { kNot, kWhole, kTorn };

class CrashImage {
 public:
  // `path`: of the file to make, in a file system in memory.
  CrashImage(std::string path, std::vector<std::byte> bytes);
  CrashImage(CrashImage&& other) noexcept;
  CrashImage& operator=(CrashImage&&) = delete;
  ~CrashImage();

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  // What the file holds now; valid until the next change.
  std::span<const std::byte> bytes() const { return {map_, size_}; }
  const std::vector<std::byte>& durable() const { return durable_; }

  void make_durable(const io::ChangeLog::Operation& operation);
  // Of a torn change each sector of 512 bytes is there or not, and the file may have grown anyway.
  void apply(const io::ChangeLog::Operation& operation, Applied how, std::minstd_rand& random);
  void restore();
  // The same after somebody else has written to the file.
  void restore_all();

 private:
  struct Range {
    uint64_t begin;
    uint64_t end;
  };
  void put(uint64_t offset, std::span<const std::byte> bytes);
  void zero(uint64_t offset, uint64_t length);
  void set_size(uint64_t size);

  std::string path_;
  std::vector<std::byte> durable_;
  UniqueFd fd_;
  uint64_t size_ = 0;
  const std::byte* map_ = nullptr;
  std::vector<Range> touched_;
};

}  // namespace viridian
