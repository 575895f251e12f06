// The part of nbd_source.h that needs no libnbd: what a name means, and how qemu-nbd is started.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "vhd/tool/foreign_files.h"
#include "vhd/tool/nbd_source.h"

namespace viridian::vhd::tool {
namespace {

constexpr std::array<std::string_view, 5> kSchemes = {"nbd://", "nbds://", "nbd+unix://",
                                                      "nbds+unix://", "nbd+vsock://"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kEndings = {
    {{".qcow2", "qcow2"},
     {".qcow", "qcow"},
     {".qed", "qed"},
     {".vmdk", "vmdk"},
     {".vhdx", "vhdx"},
     {".vdi", "vdi"},
     {".hdd", "parallels"}}};

bool is_installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    folder.append("/").append(program);
    if (::access(folder.c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

bool is_nbd_uri(const std::string& source) {
  for (std::string_view scheme : kSchemes) {
    if (source.starts_with(scheme)) return true;
  }
  return false;
}

std::string foreign_format(const std::string& path) {
  for (const auto& [ending, format] : kEndings) {
    if (path.ends_with(ending)) return std::string(format);
  }
  return {};
}

Result<std::unique_ptr<DiskSource>> open_foreign(const std::string& path, const std::string& format,
                                                 bool files_outside, bool direct) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || ::access(path.c_str(), R_OK) != 0) {
    return fail_errno(path, errno);
  }
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return fail(ErrorKind::kInvalidArgument, "{}: is neither a file nor a disk", path);
  }
  if (!is_installed("qemu-nbd")) {
    return fail(ErrorKind::kUnsupported,
                "{}: format: {} is read through qemu-nbd, which is not installed; install the "
                "package qemu-utils",
                path, format);
  }
  // From the root, since qemu-nbd takes "nbd:..." and the like for no file.
  const std::string file = std::filesystem::absolute(path).string();
  if (!files_outside) VIRIDIAN_TRY(refuse_files_outside(file, format));
  return open_nbd(path, {"qemu-nbd", "--read-only", "--format=" + format,
                         direct ? "--cache=none" : "--cache=writeback", "--", file});
}

}  // namespace viridian::vhd::tool
