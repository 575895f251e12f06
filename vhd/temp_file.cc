#include "vhd/temp_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace viridian::vhd {
namespace {

constexpr size_t kNameKept = 200;  // of the final name's bytes: 255 are allowed
constexpr int kAttempts = 16;
constexpr mode_t kMode = 0666;  // less what the umask takes away

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string hidden_path(const std::string& final_path) {
  uint64_t random = 0;
  (void)getrandom(&random, sizeof(random), 0);
  const std::filesystem::path path(final_path);
  const std::string name = path.filename().string().substr(0, kNameKept);
  return (path.parent_path() / fmt::format(".{}.{:016x}.tmp", name, random)).string();
}

Unexpected exists(const std::string& path) {
  return fail(ErrorKind::kInvalidArgument,
              "{}: exists already; give another name or allow it to be replaced (vhdtool: --force)",
              path);
}

}  // namespace

Result<TempFile> TempFile::create(const std::string& final_path, bool replace) {
  struct stat status {};
  if (::lstat(final_path.c_str(), &status) == 0) {
    if (!replace) return exists(final_path);
    if (!S_ISREG(status.st_mode)) {
      return fail(ErrorKind::kInvalidArgument, "{}: is no regular file; give another name",
                  final_path);
    }
  }
  TempFile file;
  file.final_path_ = final_path;
  file.replace_ = replace;
  if (!file.open_nameless()) VIRIDIAN_TRY(file.open_hidden());
  return file;
}

bool TempFile::open_nameless() {
  fd_ = UniqueFd(::open(folder_of(final_path_).c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, kMode));
  if (!fd_) return false;
  // The way to its name later: known now, so that no long work ends in vain where /proc is missing.
  path_ = fmt::format("/proc/self/fd/{}", fd_.get());
  return ::access(path_.c_str(), F_OK) == 0;
}

Result<void> TempFile::open_hidden() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    path_ = hidden_path(final_path_);
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
    has_hidden_name_ = static_cast<bool>(fd_);
    if (fd_) return {};
    if (errno != EEXIST) return fail_errno(final_path_, errno);
  }
  return fail_errno(final_path_, EEXIST);
}

TempFile::TempFile(TempFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      has_hidden_name_(std::exchange(other.has_hidden_name_, false)),
      final_path_(std::move(other.final_path_)),
      replace_(other.replace_) {}

TempFile::~TempFile() {
  if (has_hidden_name_) ::unlink(path_.c_str());
}

Result<void> TempFile::complete(Durability durability) {
  if (durability == Durability::kDurable && ::fsync(fd_.get()) != 0) {
    return fail_errno(final_path_, errno);
  }
  // The bytes, and the metadata that places them, get into a journal transaction no later than the
  // one that the name below gets into.
  constexpr unsigned kWholeWriteback =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (durability == Durability::kOrdered &&
      ::sync_file_range(fd_.get(), 0, 0, kWholeWriteback) != 0) {
    return fail_errno(final_path_, errno);
  }
  VIRIDIAN_TRY(give_final_name());
  if (durability != Durability::kDurable) return {};
  const UniqueFd folder(::open(folder_of(final_path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return fail_errno(final_path_, errno);
  return {};
}

// A nameless file cannot replace another one; a file with a name can.
Result<void> TempFile::give_hidden_name() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string hidden = hidden_path(final_path_);
    if (::linkat(AT_FDCWD, path_.c_str(), AT_FDCWD, hidden.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      path_ = hidden;
      has_hidden_name_ = true;
      return {};
    }
    if (errno != EEXIST) return fail_errno(final_path_, errno);
  }
  return fail_errno(final_path_, EEXIST);
}

Result<void> TempFile::give_final_name() {
  const char* to = final_path_.c_str();
  if (!has_hidden_name_ && !replace_) {
    if (::linkat(AT_FDCWD, path_.c_str(), AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0) return {};
    return errno == EEXIST ? exists(final_path_) : fail_errno(final_path_, errno);
  }
  if (!has_hidden_name_) VIRIDIAN_TRY(give_hidden_name());
  const unsigned flags = replace_ ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, to, flags) == 0) {
    has_hidden_name_ = false;
    return {};
  }
  if (errno == EEXIST) return exists(final_path_);
  // File systems without RENAME_NOREPLACE have hard links, which do not replace either.
  if (errno == EINVAL && !replace_ && ::link(path_.c_str(), to) == 0) return {};
  return errno == EEXIST ? exists(final_path_) : fail_errno(final_path_, errno);
}

}  // namespace viridian::vhd
