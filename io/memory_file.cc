#include "io/memory_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace viridian::io {

MemoryFile::MemoryFile(Reactor& reactor, std::string name, std::vector<std::byte> bytes,
                       bool read_only)
    : reactor_(reactor), name_(std::move(name)), bytes_(std::move(bytes)), read_only_(read_only) {
  pump_.file = this;
  pump_.run = [](Completion& completion) noexcept {
    static_cast<Pump&>(completion).file->run_pending();
  };
}

void MemoryFile::apply(const Operation& operation, std::vector<std::byte>& bytes) {
  switch (operation.change) {
    case Change::kWrite:
      bytes.resize(std::max<size_t>(bytes.size(), operation.offset + operation.bytes.size()));
      std::copy(operation.bytes.begin(), operation.bytes.end(),
                bytes.begin() + static_cast<ptrdiff_t>(operation.offset));
      break;
    case Change::kZero: {
      const size_t begin = std::min<size_t>(operation.offset, bytes.size());
      const size_t end = std::min<size_t>(operation.offset + operation.length, bytes.size());
      std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin),
                bytes.begin() + static_cast<ptrdiff_t>(end), std::byte{0});
      break;
    }
    case Change::kResize:
      bytes.resize(operation.offset);
      break;
    case Change::kSync:
      break;
  }
}

std::optional<size_t> MemoryFile::log_submit(Operation operation) {
  if (!recording_) return std::nullopt;
  operations_.push_back(std::move(operation));
  events_.push_back({operations_.size() - 1, false});
  return operations_.size() - 1;
}

void MemoryFile::log_done(std::optional<size_t> operation) {
  if (operation) events_.push_back({*operation, true});
}

void MemoryFile::submit(FileRequest& request) noexcept {
  request.file = this;
  Pending pending{&request, std::nullopt};
  ++counts_[static_cast<size_t>(request.op)];
  request.error = fault_of(request);
  if (request.error == 0 && request.op != FileOp::kRead) {
    Operation operation{Change::kSync, request.offset, request.length, {}, request.durable};
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
                     request.offset + request.length > std::max(bytes_.size(), size_limit_);
  return grows ? ENOSPC : 0;
}

// Without a seed: everything that is pending, in order. With one: a single request, so that
// others may be submitted before the rest.
void MemoryFile::run_pending() noexcept {
  pump_armed_ = false;
  std::vector<Pending> batch;
  if (random_) {
    const size_t pick = (*random_)() % pending_.size();
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
        Operation operation{Change::kWrite, request.offset, request.length, {}, false};
        operation.bytes.resize(request.length);
        copy_from_iovecs(operation.bytes.data(), request.data, request.skip, request.length);
        apply(operation, bytes_);
        break;
      }
      case FileOp::kZero:
        apply({Change::kZero, request.offset, request.length, {}, false}, bytes_);
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
  if (offset >= bytes_.size()) return size_t{0};
  const size_t length = std::min<size_t>(into.size(), bytes_.size() - offset);
  std::memcpy(into.data(), bytes_.data() + offset, length);
  return length;
}

Result<void> MemoryFile::write_at(uint64_t offset, std::span<const std::byte> from) {
  Operation operation{Change::kWrite, offset, from.size(), {from.begin(), from.end()}, false};
  apply(operation, bytes_);
  log_done(log_submit(std::move(operation)));
  return {};
}

Result<void> MemoryFile::sync() {
  log_done(log_submit({Change::kSync, 0, 0, {}, false}));
  return {};
}

Result<void> MemoryFile::resize(uint64_t size_bytes) {
  Operation operation{Change::kResize, size_bytes, 0, {}, false};
  apply(operation, bytes_);
  log_done(log_submit(std::move(operation)));
  return {};
}

}  // namespace viridian::io
