// A file in memory for tests, as sparse as its holes: it tells a log what was done to it, fails
// chosen operations, and can complete requests out of order.
#pragma once

#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "io/change_log.h"
#include "io/file.h"
#include "io/reactor.h"
#include "io/unique_fd.h"

namespace viridian::io {

class MemoryFile final : public File {
 public:
  MemoryFile(Reactor& reactor, std::string name, const std::vector<std::byte>& bytes,
             bool read_only = false);
  // `fd`: of a file in memory that becomes this one's own.
  MemoryFile(Reactor& reactor, std::string name, UniqueFd fd, bool read_only = false);

  void submit(FileRequest& request) noexcept override;
  bool start_plain(Completion& completion, FileOp op, uint64_t offset, std::span<const iovec> data,
                   uint64_t length) noexcept override;
  Result<uint64_t> size() const override { return size_bytes(); }
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) const override;
  Result<void> write_at(uint64_t offset, std::span<const std::byte> from) override;
  Result<void> sync() override;
  Result<void> resize(uint64_t size_bytes) override;
  const std::string& name() const noexcept override { return name_; }
  bool read_only() const noexcept override { return read_only_; }

  int fd() const { return fd_.get(); }  // for load_image()
  UniqueFd release() { return std::move(fd_); }
  uint64_t size_bytes() const;
  std::vector<std::byte> bytes() const;
  // From now on what is done to the file is told to `log`, as done to file `number`.
  void record(ChangeLog* log, uint32_t number = 0) { log_ = log, number_ = number; }

  // From now on requests are carried out and end in an order that depends on `seed`, as does which
  // plain transfers are refused, or cut short.
  void shuffle(unsigned seed) { random_.emplace(seed); }

  // The requests of kind `op` fail with `error` after the next `passing` of them, `count` times.
  void fail(FileOp op, int error, unsigned passing = 0, unsigned count = 1) {
    fault_ = {op, error, passing, count};
  }
  void stop_failing() { fault_.reset(); }
  // From now on plain transfers wait, before they are carried out, until release_plain().
  void hold_plain() { is_holding_ = true; }
  // Lets the oldest `count` of them go on.
  void release_plain(size_t count);
  // Writes that would make the file larger than this end with ENOSPC.
  void limit_size(uint64_t size_bytes) { size_limit_ = size_bytes; }

  size_t count(FileOp op) const { return counts_[static_cast<size_t>(op)]; }

 private:
  struct Fault {
    FileOp op;
    int error;
    unsigned passing;
    unsigned count;
  };
  struct Pending {
    FileRequest* request;
    std::optional<size_t> operation;
  };
  struct Pump : Completion {
    MemoryFile* file = nullptr;
  };
  // Deletes itself when it has ended.
  struct Plain : FileRequest {
    Completion* completion = nullptr;
    std::vector<iovec> parts;
  };

  void run_pending() noexcept;
  void carry_out(const Pending& pending);
  void write_bytes(uint64_t offset, std::span<const std::byte> bytes);
  void zero_bytes(uint64_t offset, uint64_t length);
  int fault_of(const FileRequest& request);
  std::optional<size_t> log_submit(ChangeLog::Operation operation);
  void log_done(std::optional<size_t> operation);

  Reactor& reactor_;
  std::string name_;
  UniqueFd fd_;
  bool read_only_;
  bool pump_armed_ = false;
  Pump pump_;
  std::vector<Pending> pending_;
  bool is_holding_ = false;
  std::deque<Plain*> held_;
  ChangeLog* log_ = nullptr;
  uint32_t number_ = 0;
  std::optional<std::minstd_rand> random_;
  std::optional<Fault> fault_;
  uint64_t size_limit_ = ~uint64_t{0};
  std::array<size_t, 4> counts_{};
};

}  // namespace viridian::io
