// NBD through libnbd: each of the copy's threads takes a connection that is free, and waits for its
// answer. A server is as little trusted as an image: its size, its ranges, and its silence, which
// an interrupt ends.
#include "vhd/tool/nbd_source.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "vhd/tool/image_source.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/nbd_library.h"
#include "vhd/tool/server_messages.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kStatusBytes = 1u << 30;  // asked for at a time
constexpr size_t kMaxRanges = 1u << 22;      // that a server may make us remember
constexpr int kExtraConnectionMs = 400;      // for each but the first
constexpr int kPollMs = 200;                 // between two looks for an interrupt

class Connection {
 public:
  explicit Connection(const NbdLibrary& nbd) : nbd_(&nbd), handle_(nbd.create()) {}
  Connection(Connection&& other) noexcept
      : nbd_(other.nbd_), handle_(std::exchange(other.handle_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept {
    std::swap(nbd_, other.nbd_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Connection() { close(); }
  void close() {
    if (handle_ != nullptr) nbd_->close(std::exchange(handle_, nullptr));
  }
  nbd_handle* get() const { return handle_; }

 private:
  const NbdLibrary* nbd_;
  nbd_handle* handle_;
};

// Until the answer is there, the server hangs up, or somebody interrupts.
bool wait(const NbdLibrary& nbd, nbd_handle* handle, int64_t cookie) {
  int completed = cookie < 0 ? -1 : 0;
  while (completed == 0) {
    if (interrupted() || nbd.poll(handle, kPollMs) < 0) return false;
    completed = nbd.aio_command_completed(handle, static_cast<uint64_t>(cookie));
  }
  return completed == 1;
}

// A server may serve one connection at a time, say that it serves several, and leave the others
// waiting: only the first is waited for without end.
enum class Patience : uint8_t { kEndless, kShort };

bool wait_connected(const NbdLibrary& nbd, nbd_handle* handle, Patience patience) {
  int left_ms = kExtraConnectionMs;
  while (nbd.aio_is_connecting(handle) == 1) {
    if (interrupted() || (patience == Patience::kShort && left_ms <= 0)) return false;
    const int ready = nbd.poll(handle, kPollMs);  // 0 when the time is over
    if (ready < 0) return false;
    if (ready == 0) left_ms -= kPollMs;
  }
  return nbd.aio_is_ready(handle) == 1;
}

// libnbd's own words, without the name of its function.
std::string last_error(const NbdLibrary& nbd) {
  if (interrupted()) return "interrupted; nothing of the new image is left";
  const char* text = nbd.get_error();
  if (text == nullptr) return "the connection failed";
  const std::string_view words = text;
  const size_t colon = words.find(": ");
  const bool named = words.starts_with("nbd_") && colon != std::string_view::npos;
  return std::string(named ? words.substr(colon + 2) : words);
}

// What one answer of the server says, in pairs of length and state.
struct Status {
  std::vector<Range> ranges;
  uint64_t at = 0;
};

int add_status(void* user, const char*, uint64_t offset, uint32_t* entries, size_t count, int*) {
  auto& status = *static_cast<Status*>(user);
  for (size_t i = 0; i + 1 < count && status.ranges.size() <= kMaxRanges; i += 2) {
    const uint64_t length = entries[i];
    if ((entries[i + 1] & LIBNBD_STATE_ZERO) == 0) {  // a hole alone may hold anything
      auto& ranges = status.ranges;
      if (!ranges.empty() && ranges.back().offset + ranges.back().length == offset) {
        ranges.back().length += length;
      } else {
        ranges.push_back({offset, length});
      }
    }
    offset += length;
  }
  status.at = offset;
  return 0;
}

// Everything, for a server that does not tell, or tells what cannot be.
std::vector<Range> ranges_of(const NbdLibrary& nbd, nbd_handle* handle, uint64_t size_bytes) {
  std::vector<Range> everything = {{0, size_bytes}};
  if (nbd.can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1) return everything;
  Status status;
  while (status.at < size_bytes && !interrupted()) {
    const uint64_t before = status.at;
    const uint64_t length = std::min(kStatusBytes, size_bytes - before);
    nbd_extent_callback callback = {.callback = add_status, .user_data = &status, .free = nullptr};
    const int64_t asked = nbd.aio_block_status(handle, length, before, callback, {}, 0);
    if (!wait(nbd, handle, asked) || status.at <= before || status.ranges.size() > kMaxRanges) {
      return everything;
    }
  }
  return std::move(status.ranges);
}

class NbdSource final : public DiskSource {
 public:
  NbdSource(std::string name, const NbdLibrary& nbd)
      : name_(std::move(name)), nbd_(nbd), walker_({}, 0) {}

  Result<void> open(const std::vector<std::string>& server) {
    auto first = connect(server, Patience::kEndless);
    if (!first) return Unexpected(std::move(first).error());
    const int64_t size = nbd_.get_size(first->get());
    if (size < 0) return failed();
    if (size == 0 || size % 512 != 0) {
      return fail(ErrorKind::kInvalidArgument, "{}: size: {} bytes are no positive multiple of 512",
                  name_, size);
    }
    size_bytes_ = static_cast<uint64_t>(size);
    walker_ = PieceWalker(ranges_of(nbd_, first->get(), size_bytes_), size_bytes_);
    // A server that was started for us serves one connection.
    const bool several = server.empty() && nbd_.can_multi_conn(first->get()) == 1;
    free_.push_back(std::move(*first));
    while (several && free_.size() < threads()) {
      auto more = connect(server, Patience::kShort);
      if (!more) break;
      free_.push_back(std::move(*more));
    }
    return {};
  }

  std::optional<uint64_t> size_bytes() const override { return size_bytes_; }
  Result<bool> next(Piece& piece) override { return walker_.next(piece); }

  Result<void> read(Piece& piece) override {
    Connection connection = take();
    Result<void> done;
    const int64_t asked =
        nbd_.aio_pread(connection.get(), piece.buffer.data(), piece.length, piece.offset, {}, 0);
    if (!wait(nbd_, connection.get(), asked)) done = failed(connection.get());
    give_back(std::move(connection));
    return done;
  }

 private:
  Result<Connection> connect(const std::vector<std::string>& server, Patience patience) {
    Connection connection(nbd_);
    nbd_handle* handle = connection.get();
    if (handle == nullptr) return failed();
    if (nbd_.add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0) return failed();
    if (server.empty()) {
      nbd_.set_uri_allow_local_file(handle, true);
      if (nbd_.aio_connect_uri(handle, name_.c_str()) != 0) return failed();
      if (!wait_connected(nbd_, handle, patience)) return failed();
      return connection;
    }
    std::vector<char*> arguments;
    arguments.reserve(server.size() + 1);
    for (const std::string& one : server)
      arguments.push_back(const_cast<char*>(one.c_str()));  // libnbd does not write to them
    arguments.push_back(nullptr);
    messages_.begin();
    const bool started = nbd_.aio_connect_server(handle, arguments.data()) == 0;
    messages_.end();
    if (started && wait_connected(nbd_, handle, patience)) return connection;
    auto failure = last_error(nbd_);
    connection.close();  // waits until the server has said all
    const std::string words = messages_.last_line();
    return fail(ErrorKind::kIo, "{}: {}", name_, words.empty() ? failure : words);
  }

  Unexpected failed(nbd_handle* lost = nullptr) const {
    const std::string words = messages_.last_line();
    const bool dead = lost != nullptr && !interrupted() && nbd_.aio_is_dead(lost) == 1;
    return fail(ErrorKind::kIo, "{}: {}{}{}", name_, dead ? "the server hung up" : last_error(nbd_),
                words.empty() ? "" : "; it says: ", words);
  }

  Connection take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return !free_.empty(); });
    Connection connection = std::move(free_.back());
    free_.pop_back();
    return connection;
  }
  void give_back(Connection connection) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(connection));
    }
    freed_.notify_one();
  }

  std::string name_;
  NbdLibrary nbd_;  // outlives the connections, which point to it
  ServerMessages messages_;
  uint64_t size_bytes_ = 0;
  PieceWalker walker_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Connection> free_;
};

}  // namespace

Result<std::unique_ptr<DiskSource>> open_nbd(const std::string& name,
                                             const std::vector<std::string>& server) {
  const auto nbd = NbdLibrary::load();
  if (!nbd) return with_context(name, nbd.error());
  auto source = std::make_unique<NbdSource>(name, *nbd);
  VIRIDIAN_TRY(source->open(server));
  return source;
}

}  // namespace viridian::vhd::tool
