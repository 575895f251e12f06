// A file in memory for tests: it keeps a log from which every state that a power cut could leave
// can be rebuilt, fails chosen operations, and can complete requests out of order.
#pragma once

#include <optional>
#include <random>
#include <vector>

#include "io/file.h"
#include "io/reactor.h"

namespace viridian::io {

class MemoryFile final : public File {
 public:
  enum class Change : uint8_t { kWrite, kZero, kResize, kSync };
  struct Operation {
    Change change;
    uint64_t offset = 0;  // kResize: the new size
    uint64_t length = 0;
    std::vector<std::byte> bytes;  // kWrite
    bool durable = false;          // kWrite: on the disk when it is done
  };
  // An operation may reach the disk as soon as it is submitted; a sync that is submitted after an
  // operation was done, and is done itself, makes sure that it did.
  struct Event {
    size_t operation;
    bool done;
  };

  MemoryFile(Reactor& reactor, std::string name, std::vector<std::byte> bytes,
             bool read_only = false);

  void submit(FileRequest& request) noexcept override;
  Result<uint64_t> size() const override { return bytes_.size(); }
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) const override;
  Result<void> write_at(uint64_t offset, std::span<const std::byte> from) override;
  Result<void> sync() override;
  Result<void> resize(uint64_t size_bytes) override;
  const std::string& name() const noexcept override { return name_; }
  bool read_only() const noexcept override { return read_only_; }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  const std::vector<Operation>& operations() const { return operations_; }
  const std::vector<Event>& events() const { return events_; }
  void record(bool on) { recording_ = on; }

  // Applies a change to `bytes` as this file would.
  static void apply(const Operation& operation, std::vector<std::byte>& bytes);

  // From now on requests are carried out and end in an order that depends on `seed`.
  void shuffle(unsigned seed) { random_.emplace(seed); }

  // The requests of kind `op` fail with `error` after the next `passing` of them, `count` times.
  void fail(FileOp op, int error, unsigned passing = 0, unsigned count = 1) {
    fault_ = {op, error, passing, count};
  }
  void stop_failing() { fault_.reset(); }
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

  void run_pending() noexcept;
  void carry_out(const Pending& pending);
  int fault_of(const FileRequest& request);
  std::optional<size_t> log_submit(Operation operation);
  void log_done(std::optional<size_t> operation);

  Reactor& reactor_;
  std::string name_;
  std::vector<std::byte> bytes_;
  bool read_only_;
  bool recording_ = false;
  bool pump_armed_ = false;
  Pump pump_;
  std::vector<Pending> pending_;
  std::vector<Operation> operations_;
  std::vector<Event> events_;
  std::optional<std::minstd_rand> random_;
  std::optional<Fault> fault_;
  uint64_t size_limit_ = ~uint64_t{0};
  std::array<size_t, 4> counts_{};
};

}  // namespace viridian::io
