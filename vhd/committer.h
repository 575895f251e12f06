// Makes what was written durable: the commit of allocator.h's rule 3, one at a time.
//
// Requests for a commit that come while one runs are served together by the next. A sync that
// failed is never forgotten: the host may have dropped what it could not write, so every later
// commit fails too and no metadata is written that could speak of lost data. A metadata write that
// failed leaves its sector changed; the next commit tries it again. Data path, the disk's reactor.
#pragma once

#include "vhd/allocator.h"
#include "vhd/bitmap_cache.h"
#include "vhd/operation.h"

namespace viridian::vhd {

class Committer {
 public:
  struct Owner {
    virtual void on_committed(Operation& operation, io::IoStatus status) noexcept = 0;
    // A commit ended; slots of the cache may be free again, or stay dirty if it failed.
    virtual void on_commit_end(io::IoStatus status) noexcept = 0;
    virtual uint64_t next_sequence() const noexcept = 0;

   protected:
    ~Owner() = default;
  };

  // `layer` is the one that is written; `allocator` is null if it is not sparse.
  Committer(Layer& layer, BitmapCache& cache, Allocator* allocator, Owner& owner);

  // on_committed() will be called when everything that was written before this call is durable.
  void request(Operation& operation) noexcept;
  // Starts a commit that nobody waits for, unless one runs.
  void start_unasked() noexcept;

  // Somebody else's sync of the same file failed.
  void note_failed_sync() noexcept { failed_ = true; }

  bool busy() const noexcept { return phase_ != Phase::kIdle; }
  bool failed() const noexcept { return failed_; }
  // No metadata differs from the file, and none is being written.
  bool is_clean() const noexcept;

 private:
  enum class Phase : uint8_t { kIdle, kFirstSync, kWriting, kSecondSync };
  struct Write : io::FileRequest {
    Committer* committer = nullptr;
    BitmapSlot* slot = nullptr;  // or a sector of the table
    uint32_t table_sector = 0;
    std::byte* memory = nullptr;
    iovec part = {};
  };
  struct Sync : io::FileRequest {
    Committer* committer = nullptr;
  };

  void start() noexcept;
  void start_sync(Phase phase) noexcept;
  void end_sync() noexcept;
  void start_writes() noexcept;
  void end_write(Write& write) noexcept;
  void keep_dirty() noexcept;
  void end(io::IoStatus status) noexcept;

  Layer& layer_;
  BitmapCache& cache_;
  Allocator* allocator_;
  Owner& owner_;
  Phase phase_ = Phase::kIdle;
  bool failed_ = false;
  io::IoStatus status_ = io::IoStatus::kOk;
  WaitList waiting_;  // for the next commit
  WaitList running_;  // for this one
  Sync sync_;

  std::vector<BitmapSlot*> slots_;  // of this commit
  std::vector<uint32_t> sectors_;   // of the table
  size_t next_slot_ = 0;
  size_t next_sector_ = 0;
  std::vector<Write> writes_;
  std::vector<Write*> free_writes_;
  std::unique_ptr<std::byte[], void (*)(std::byte*)> memory_;
};

// What a guest is told about a failed file operation; `error` is a positive errno, or 0.
io::IoStatus status_of(int error) noexcept;

}  // namespace viridian::vhd
