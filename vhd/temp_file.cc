#include "vhd/temp_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace viridian::vhd {
namespace {

constexpr size_t kNameKept = 200;  // of the final name's bytes: 255 are allowed
constexpr int kAttempts = 16;

std::string temporary_path(const std::string& final_path) {
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
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string path = temporary_path(final_path);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!fd && errno == EEXIST) continue;
    if (!fd) return fail_errno(final_path, errno);
    TempFile file;
    file.fd_ = std::move(fd);
    file.path_ = std::move(path);
    file.final_path_ = final_path;
    file.replace_ = replace;
    return file;
  }
  return fail_errno(final_path, EEXIST);
}

TempFile::TempFile(TempFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      final_path_(std::move(other.final_path_)),
      replace_(other.replace_) {}

TempFile::~TempFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> TempFile::complete() {
  // The bytes before the name, and the name before anybody is told: a cut leaves all or nothing.
  if (::fsync(fd_.get()) != 0) return fail_errno(final_path_, errno);
  VIRIDIAN_TRY(give_final_name());
  const std::string folder = std::filesystem::path(final_path_).parent_path().string();
  const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno(final_path_, errno);
  return {};
}

Result<void> TempFile::give_final_name() {
  const unsigned flags = replace_ ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path_.c_str(), flags) == 0) {
    path_.clear();
    return {};
  }
  if (errno == EEXIST) return exists(final_path_);
  // File systems without RENAME_NOREPLACE have hard links, which do not replace either.
  if (errno == EINVAL && !replace_ && ::link(path_.c_str(), final_path_.c_str()) == 0) return {};
  return errno == EEXIST ? exists(final_path_) : fail_errno(final_path_, errno);
}

}  // namespace viridian::vhd
