#include "io/memory_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace viridian::io {
namespace {

using Change = ChangeLog::Change;

// The host's memory is all that can fail here, and then the test is over.
void must(bool good) {
  if (!good) std::abort();
}

}  // namespace

MemoryFile::MemoryFile(Reactor& reactor, std::string name, UniqueFd fd, bool read_only)
    : reactor_(reactor), name_(std::move(name)), fd_(std::move(fd)), read_only_(read_only) {
  must(static_cast<bool>(fd_));
  pump_.file = this;
  pump_.run = [](Completion& completion) noexcept {
    static_cast<Pump&>(completion).file->run_pending();
  };
}

MemoryFile::MemoryFile(Reactor& reactor, std::string name, const std::vector<std::byte>& bytes,
                       bool read_only)
    : MemoryFile(reactor, std::move(name), UniqueFd(::memfd_create("memory-file", MFD_CLOEXEC)),
                 read_only) {
  // Holes stay holes: most of an image is zeroes.
  constexpr size_t kPiece = 4096;
  static constexpr std::byte kZeroes[kPiece] = {};
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const size_t length = std::min(kPiece, bytes.size() - at);
    if (std::memcmp(bytes.data() + at, kZeroes, length) == 0) continue;
    write_bytes(at, {bytes.data() + at, length});
  }
  must(::ftruncate(fd_.get(), static_cast<off_t>(bytes.size())) == 0);
}

uint64_t MemoryFile::size_bytes() const {
  struct stat status = {};
  must(::fstat(fd_.get(), &status) == 0);
  return static_cast<uint64_t>(status.st_size);
}

std::vector<std::byte> MemoryFile::bytes() const {
  std::vector<std::byte> all(size_bytes());
  must(::pread(fd_.get(), all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()));
  return all;
}

void MemoryFile::write_bytes(uint64_t offset, std::span<const std::byte> bytes) {
  const ssize_t put = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  must(put == static_cast<ssize_t>(bytes.size()));
}

void MemoryFile::zero_bytes(uint64_t offset, uint64_t length) {
  if (length == 0) return;
  must(::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   static_cast<off_t>(offset), static_cast<off_t>(length)) == 0);
}

std::optional<size_t> MemoryFile::log_submit(ChangeLog::Operation operation) {
  if (log_ == nullptr) return std::nullopt;
  operation.file = number_;
  return log_->submit(std::move(operation));
}

void MemoryFile::log_done(std::optional<size_t> operation) {
  if (operation) log_->done(*operation);
}

void MemoryFile::submit(FileRequest& request) noexcept {
  request.file = this;
  Pending pending{&request, std::nullopt};
  ++counts_[static_cast<size_t>(request.op)];
  request.error = fault_of(request);
  if (request.error == 0 && request.op != FileOp::kRead && log_ != nullptr) {
    ChangeLog::Operation operation{.change = Change::kSync,
                                   .offset = request.offset,
                                   .length = request.length,
                                   .durable = request.durable};
    if (request.op == FileOp::kZero) operation.change = Change::kZero;
    if (request.op == FileOp::kWrite) {
      operation.change = Change::kWrite;
      operation.bytes.resize(request.length);
      copy_from_iovecs(operation.bytes.data(), request.data, request.skip, request.length);
    }
    pending.operation = log_submit(std::move(operation));
  }
  pending_.push_back(pending);
  if (pump_armed_) return;
  pump_armed_ = true;
  reactor_.defer(pump_);
}

bool MemoryFile::start_plain(Completion& completion, FileOp op, uint64_t offset,
                             std::span<const iovec> data, uint64_t length) noexcept {
  uint64_t bytes = 0;
  for (const iovec& part : data)
    bytes += part.iov_len;
  if (bytes != length) return false;
  if (random_) {
    const unsigned luck = (*random_)() % 4;
    if (luck == 0) return false;
    if (luck == 1) bytes = (*random_)() % (bytes / kUnit + 1) * kUnit;
  }
  auto plain = std::make_unique<Plain>();  // as everything here: for tests
  plain->completion = &completion;
  plain->parts.assign(data.begin(), data.end());
  plain->op = op;
  plain->offset = offset;
  plain->length = bytes;
  plain->data = plain->parts;
  plain->done = [](FileRequest& request) noexcept {
    const std::unique_ptr<Plain> self(&static_cast<Plain&>(request));
    self->completion->result = self->error != 0 ? -self->error : static_cast<int>(self->length);
    self->completion->run(*self->completion);
  };
  if (is_holding_) {
    held_.push_back(plain.release());
  } else {
    submit(*plain.release());
  }
  return true;
}

void MemoryFile::release_plain(size_t count) {
  for (; count > 0 && !held_.empty(); --count) {
    submit(*held_.front());
    held_.pop_front();
  }
}

int MemoryFile::fault_of(const FileRequest& request) {
  if (fault_ && fault_->op == request.op) {
    if (fault_->passing > 0) {
      --fault_->passing;
    } else {
      const int error = fault_->error;
      if (--fault_->count == 0) fault_.reset();
      return error;
    }
  }
  const bool grows = request.op == FileOp::kWrite &&
                     request.offset + request.length > std::max(size_bytes(), size_limit_);
  return grows ? ENOSPC : 0;
}

// Without a seed: everything that is pending, in order. With one: a single request, so that
// others may be submitted before the rest.
void MemoryFile::run_pending() noexcept {
  pump_armed_ = false;
  std::vector<Pending> batch;
  if (random_) {
    size_t pick = (*random_)() % pending_.size();
    // Syncs are slow: more happens while one is on its way.
    if (pending_[pick].request->op == FileOp::kDataSync && (*random_)() % 4 != 0) {
      pick = (*random_)() % pending_.size();
    }
    batch.push_back(pending_[pick]);
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(pick));
  } else {
    batch.swap(pending_);
  }
  for (const Pending& pending : batch)
    carry_out(pending);
  if (pending_.empty()) return;
  pump_armed_ = true;
  reactor_.defer(pump_);
}

void MemoryFile::carry_out(const Pending& pending) {
  FileRequest& request = *pending.request;
  if (request.error == 0) {
    switch (request.op) {
      case FileOp::kRead: {
        std::vector<std::byte> flat(request.length);
        (void)read_at(request.offset, flat);
        copy_to_iovecs(flat.data(), request.data, request.skip, request.length);
        break;
      }
      case FileOp::kWrite: {
        std::vector<std::byte> flat(request.length);
        copy_from_iovecs(flat.data(), request.data, request.skip, request.length);
        write_bytes(request.offset, flat);
        break;
      }
      case FileOp::kZero:
        zero_bytes(request.offset, request.length);
        break;
      case FileOp::kDataSync:
        break;
    }
    log_done(pending.operation);
  }
  request.run = [](Completion& completion) noexcept {
    auto& self = static_cast<FileRequest&>(completion);
    self.done(self);
  };
  reactor_.defer(request);
}

Result<size_t> MemoryFile::read_at(uint64_t offset, std::span<std::byte> into) const {
  const ssize_t got = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
  if (got < 0) return fail_errno(name_, errno);
  return static_cast<size_t>(got);
}

Result<void> MemoryFile::write_at(uint64_t offset, std::span<const std::byte> from) {
  const auto operation = log_submit({.change = Change::kWrite,
                                     .offset = offset,
                                     .length = from.size(),
                                     .bytes = {from.begin(), from.end()}});
  write_bytes(offset, from);
  log_done(operation);
  return {};
}

Result<void> MemoryFile::sync() {
  log_done(log_submit({.change = Change::kSync}));
  return {};
}

Result<void> MemoryFile::resize(uint64_t size_bytes) {
  const auto operation = log_submit({.change = Change::kResize, .offset = size_bytes});
  must(::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) == 0);
  log_done(operation);
  return {};
}

}  // namespace viridian::io
