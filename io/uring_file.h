// File on a regular file or a block device, through the reactor's io_uring.
//
// With CacheMode::kNone it is opened with O_DIRECT where the file system takes 512-byte units;
// elsewhere (tmpfs, disks with 4 KiB sectors) it is buffered. The choice is made once, at open: the
// two are never mixed on one file, since a page that is read, changed and written back by a
// buffered write could undo a direct write to a sector beside it. Memory that direct I/O cannot
// take goes through a fixed pool of buffers. Nothing is allocated after open.
#pragma once

#include <sys/stat.h>

#include <boost/intrusive/slist.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "io/file.h"
#include "io/plain_lane.h"
#include "io/reactor.h"
#include "io/unique_fd.h"

namespace viridian::io {

enum class CacheMode : uint8_t {
  kNone,       // O_DIRECT where it can be had
  kWriteback,  // the host's page cache; a flush still makes data durable
};

struct FileOptions {
  bool read_only = false;
  CacheMode cache = CacheMode::kNone;
};

class UringFile final : public File {
 public:
  // Takes regular files and block devices only: a FIFO or a directory is refused, never waited for.
  static Result<std::unique_ptr<UringFile>> open(Reactor& reactor, const std::string& path,
                                                 const FileOptions& options);
  // The same for an open descriptor, which becomes this file's own.
  static Result<std::unique_ptr<UringFile>> adopt(Reactor& reactor, UniqueFd fd, std::string name,
                                                  const FileOptions& options);

  void submit(FileRequest& request) noexcept override;
  bool start_plain(Completion& completion, FileOp op, uint64_t offset, std::span<const iovec> data,
                   uint64_t length) noexcept override;
  const PlainLane* plain_lane() const noexcept override { return &*lane_; }
  Result<uint64_t> size() const override;
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) const override;
  Result<void> write_at(uint64_t offset, std::span<const std::byte> from) override;
  Result<void> sync() override;
  Result<void> resize(uint64_t size_bytes) override;
  Result<std::unique_ptr<File>> again(Reactor& reactor) const override;
  const std::string& name() const noexcept override { return name_; }
  bool read_only() const noexcept override { return read_only_; }

  int fd() const noexcept { return fd_.get(); }
  bool direct() const noexcept { return direct_; }
  bool is_block_device() const noexcept { return S_ISBLK(status_.st_mode); }
  const struct stat& status() const noexcept { return status_; }  // as it was at open

 private:
  using Waiting = boost::intrusive::slist<Completion, boost::intrusive::cache_last<true>,
                                          boost::intrusive::constant_time_size<false>>;
  struct FreeMemory {
    void operator()(std::byte* memory) const;
  };

  UringFile(Reactor& reactor, std::string name, UniqueFd fd, const FileOptions& options)
      : reactor_(reactor),
        name_(std::move(name)),
        fd_(std::move(fd)),
        read_only_(options.read_only) {}
  Result<void> set_up(CacheMode cache);
  bool try_direct();

  void start_round(FileRequest& request, bool in_worker) noexcept;
  std::span<const iovec> next_window(FileRequest& request) const noexcept;
  bool needs_bounce(std::span<const iovec> window) const noexcept;
  bool take_bounce(FileRequest& request) noexcept;
  void end_round(FileRequest& request) noexcept;
  void end_transfer(FileRequest& request, uint64_t moved) noexcept;
  void end(FileRequest& request, int error) noexcept;

  Reactor& reactor_;
  std::string name_;
  UniqueFd fd_;
  bool read_only_;
  bool direct_ = false;
  bool can_punch_ = true;
  uint32_t memory_alignment_ = 1;
  std::optional<PlainLane> lane_;  // from set_up() on
  struct stat status_ = {};
  std::unique_ptr<std::byte[], FreeMemory> bounce_memory_;
  std::vector<std::byte*> free_bounces_;
  Waiting waiting_;
};

}  // namespace viridian::io
