#include "tests/support/file_recorder.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <span>

namespace viridian {
namespace {

namespace fs = std::filesystem;
using io::ChangeLog;
using Change = ChangeLog::Change;

struct State {
  std::string folder;
  ChangeLog log;
  std::vector<RecordedFile> files;
  std::map<std::pair<dev_t, ino_t>, uint32_t> numbers;
  unsigned calls = 0;
  std::optional<unsigned> passing;
  int error = 0;
  bool has_failed = false;
};

std::mutex guard;
State* active = nullptr;  // the recorder that is there: the calls below have no other way to it

std::string path_of(int fd) {
  char path[4096];
  char link[64];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(link, path, sizeof(path));
  return length < 0 ? std::string{} : std::string(path, static_cast<size_t>(length));
}

// The name in the folder; empty for what is elsewhere.
std::string name_in_folder(const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  if (error || whole.parent_path() != active->folder) return {};
  return whole.filename().string();
}

// The file's number; a file that is seen for the first time was made since.
std::optional<uint32_t> number_of(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const auto known = active->numbers.find({status.st_dev, status.st_ino});
  if (known != active->numbers.end()) return known->second;
  const std::string name = name_in_folder(path_of(fd));
  if (name.empty()) return std::nullopt;
  const auto number = static_cast<uint32_t>(active->files.size());
  active->files.push_back({});
  active->numbers[{status.st_dev, status.st_ino}] = number;
  active->log.done(active->log.submit({.change = Change::kLink, .file = number, .name = name}));
  return number;
}

// Makes one call: with `operation` if it is about the folder, logged around it; or made to fail.
template <class Call>
auto make(std::optional<ChangeLog::Operation> operation, Call&& call) -> decltype(call()) {
  if (!operation) return call();
  ++active->calls;
  if (active->passing && (*active->passing)-- == 0) {
    active->passing.reset();
    active->has_failed = true;
    errno = active->error;
    return -1;
  }
  const auto result = call();
  if (result >= 0) {
    if (operation->change == Change::kWrite) operation->bytes.resize(static_cast<size_t>(result));
    active->log.done(active->log.submit(std::move(*operation)));
  }
  return result;
}

template <class Describe, class Call>
auto on_file(int fd, Describe&& describe, Call&& call) -> decltype(call()) {
  const std::lock_guard lock(guard);
  const auto number = active != nullptr ? number_of(fd) : std::nullopt;
  if (!number) return call();
  ChangeLog::Operation operation = describe();
  operation.file = *number;
  return make(std::move(operation), call);
}

ssize_t on_write(int fd, const void* from, size_t length, off_t offset) {
  return on_file(
      fd,
      [&] {
        const auto* bytes = static_cast<const std::byte*>(from);
        return ChangeLog::Operation{.change = Change::kWrite,
                                    .offset = static_cast<uint64_t>(offset),
                                    .length = length,
                                    .bytes = {bytes, bytes + length}};
      },
      [&] { return static_cast<ssize_t>(::syscall(SYS_pwrite64, fd, from, length, offset)); });
}

int on_resize(int fd, off_t size) {
  return on_file(
      fd,
      [&] {
        return ChangeLog::Operation{.change = Change::kResize,
                                    .offset = static_cast<uint64_t>(size)};
      },
      [&] { return static_cast<int>(::syscall(SYS_ftruncate, fd, size)); });
}

int on_fallocate(int fd, int mode, off_t offset, off_t length) {
  const bool punches = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  return on_file(
      fd,
      [&] {
        struct stat status = {};
        (void)::fstat(fd, &status);
        if (punches) {
          return ChangeLog::Operation{.change = Change::kZero,
                                      .offset = static_cast<uint64_t>(offset),
                                      .length = static_cast<uint64_t>(length)};
        }
        const off_t end = (mode & FALLOC_FL_KEEP_SIZE) != 0 ? 0 : offset + length;
        return ChangeLog::Operation{.change = Change::kResize,
                                    .offset = static_cast<uint64_t>(std::max(status.st_size, end))};
      },
      [&] { return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, length)); });
}

int on_sync(int fd, long number) {
  const auto call = [&] { return static_cast<int>(::syscall(number, fd)); };
  {
    const std::lock_guard lock(guard);
    if (active != nullptr && path_of(fd) == active->folder) {
      return make(ChangeLog::Operation{.change = Change::kSyncNames}, call);
    }
  }
  return on_file(
      fd, [] { return ChangeLog::Operation{.change = Change::kSync}; }, call);
}

int on_rename(const char* from, const char* to, unsigned flags) {
  const std::lock_guard lock(guard);
  std::optional<ChangeLog::Operation> operation;
  if (active != nullptr && !name_in_folder(from).empty()) {
    operation = ChangeLog::Operation{
        .change = Change::kRename, .name = name_in_folder(from), .new_name = name_in_folder(to)};
  }
  return make(std::move(operation), [&] {
    return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags));
  });
}

// A nameless file (O_TMPFILE) gets a name. Since it was first written to, the log has known it by
// the name that /proc shows, which no real file has.
int on_link(const char* from, const char* to, int flags) {
  const std::lock_guard lock(guard);
  std::optional<ChangeLog::Operation> operation;
  std::error_code error;
  const fs::path nameless = active != nullptr ? fs::read_symlink(from, error) : fs::path();
  if (!nameless.empty() && nameless.parent_path() == active->folder) {
    operation = ChangeLog::Operation{
        .change = Change::kRename, .name = nameless.filename(), .new_name = name_in_folder(to)};
  }
  return make(std::move(operation), [&] {
    return static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, flags));
  });
}

int on_unlink(const char* path) {
  const std::lock_guard lock(guard);
  std::optional<ChangeLog::Operation> operation;
  if (active != nullptr && !name_in_folder(path).empty()) {
    operation = ChangeLog::Operation{.change = Change::kUnlink, .name = name_in_folder(path)};
  }
  return make(std::move(operation), [&] { return static_cast<int>(::syscall(SYS_unlink, path)); });
}

}  // namespace

FileRecorder::FileRecorder(const std::filesystem::path& folder) {
  auto* state = new State;
  state->folder = fs::canonical(folder);
  for (const auto& entry : fs::directory_iterator(state->folder)) {
    if (!entry.is_regular_file()) continue;
    struct stat status = {};
    (void)::stat(entry.path().c_str(), &status);
    state->numbers[{status.st_dev, status.st_ino}] = static_cast<uint32_t>(state->files.size());
    std::ifstream stream(entry.path(), std::ios::binary);
    std::string text(static_cast<size_t>(status.st_size), '\0');
    stream.read(text.data(), status.st_size);
    const auto bytes = std::as_bytes(std::span(text));
    state->files.push_back({entry.path().filename(), {bytes.begin(), bytes.end()}});
  }
  const std::lock_guard lock(guard);
  active = state;
}

FileRecorder::~FileRecorder() {
  const std::lock_guard lock(guard);
  delete active;
  active = nullptr;
}

const ChangeLog& FileRecorder::log() const { return active->log; }
const std::vector<RecordedFile>& FileRecorder::files() const { return active->files; }
unsigned FileRecorder::calls() const { return active->calls; }
bool FileRecorder::has_failed() const { return active->has_failed; }

void FileRecorder::fail(int error, unsigned passing) {
  const std::lock_guard lock(guard);
  active->error = error;
  active->passing = passing;
  active->has_failed = false;
}

}  // namespace viridian

// What the C library's calls of these names do, seen by the recorder.
extern "C" {

ssize_t pwrite(int fd, const void* from, size_t length, off_t offset) {
  return viridian::on_write(fd, from, length, offset);
}
ssize_t pwrite64(int fd, const void* from, size_t length, off64_t offset) {
  return viridian::on_write(fd, from, length, offset);
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  // In one piece of the first part: a short write, which every caller has to expect.
  for (int i = 0; i < count; ++i) {
    if (parts[i].iov_len > 0) {
      return viridian::on_write(fd, parts[i].iov_base, parts[i].iov_len, offset);
    }
  }
  return 0;
}
int ftruncate(int fd, off_t size) noexcept { return viridian::on_resize(fd, size); }
int ftruncate64(int fd, off64_t size) noexcept { return viridian::on_resize(fd, size); }
int fallocate(int fd, int mode, off_t offset, off_t length) {
  return viridian::on_fallocate(fd, mode, offset, length);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  return viridian::on_fallocate(fd, mode, offset, length);
}
int fsync(int fd) { return viridian::on_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return viridian::on_sync(fd, SYS_fdatasync); }
int rename(const char* from, const char* to) noexcept { return viridian::on_rename(from, to, 0); }
int renameat2(int, const char* from, int, const char* to, unsigned flags) noexcept {
  return viridian::on_rename(from, to, flags);
}
int linkat(int, const char* from, int, const char* to, int flags) noexcept {
  return viridian::on_link(from, to, flags);
}
int unlink(const char* path) noexcept { return viridian::on_unlink(path); }
int remove(const char* path) noexcept {
  const int result = viridian::on_unlink(path);
  return result < 0 && errno == EISDIR ? ::rmdir(path) : result;
}
ssize_t copy_file_range(int, off64_t*, int, off64_t*, size_t, unsigned) {
  errno = ENOSYS;
  return -1;
}
}
