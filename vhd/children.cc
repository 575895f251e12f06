#include "vhd/children.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "vhd/chain.h"
#include "vhd/control_io.h"
#include "vhd/footer_search.h"
#include "vhd/open_beneath.h"
#include "vhd/parent_paths.h"
#include "vhd/text.h"

namespace viridian::vhd {
namespace {

namespace fs = std::filesystem;

constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// The header of a differencing image; costs the same for every size.
Result<SparseHeader> read_child_header(int fd, const std::string& name) {
  const auto file = view_file(fd, name);
  if (!file) return Unexpected(file.error());
  const auto found = find_footers(*file);
  if (!found) return Unexpected(found.error());
  Image image;
  VIRIDIAN_TRY(choose_footer(*file, *found, image));
  const uint64_t offset = image.footer.data_offset;
  if (image.type != ImageType::kDifferencing || offset > file->size_bytes ||
      file->size_bytes - offset < sizeof(SparseHeader)) {
    return fail(ErrorKind::kInvalidArgument, "{}: is no differencing image", name);
  }
  return read_struct<SparseHeader>(*file, offset, "header");
}

// Whether the image at `path`, which records the right id, or none, means the file of `status`.
bool means(const std::string& path, const std::string& parent_name, bool by_id,
           const struct stat& status) {
  OpenPolicy policy;
  policy.allow_parent_outside = true;
  const auto chain = open_chain(path, Access::kReadOnly, policy);
  if (chain) {
    struct stat parent {};
    return ::fstat((*chain)[1].fd.get(), &parent) == 0 && is_same_file(parent, status);
  }
  if (by_id) return true;
  const auto child = open_image(path, Access::kReadOnly, policy);
  if (!child) return false;
  const auto candidates = parent_candidates(child->image, policy);
  return std::any_of(candidates.begin(), candidates.end(), [&](const ParentCandidate& one) {
    return file_name_of(one.path) == parent_name;
  });
}

}  // namespace

Result<std::vector<std::string>> find_children(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(path, errno);
  UniqueId id{};  // stays null for a raw file, as its children record
  {
    const UniqueFd fd(::open(path.c_str(), kOpenFlags));
    if (!fd) return fail_errno(path, errno);
    const auto file = view_file(fd.get(), path);
    if (!file) return Unexpected(file.error());
    const auto found = find_footers(*file);
    if (!found) return Unexpected(found.error());
    Image image;
    if (choose_footer(*file, *found, image)) id = image.unique_id;
  }
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) return fail_errno(path, error.value());
  std::vector<std::string> children;
  for (fs::directory_iterator at(real.parent_path(), error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().string();
    const auto fd = open_beneath(real.parent_path(), at->path().filename(), Beneath::kFolder);
    struct stat one {};
    if (!fd || ::fstat(fd->get(), &one) != 0 || is_same_file(one, status)) continue;
    const auto header = read_child_header(fd->get(), name);
    if (!header || header->parent_unique_id != id) continue;
    if (means(name, real.filename().string(), !is_null(id), status)) children.push_back(name);
  }
  if (error) return fail_errno(real.parent_path().string(), error.value());
  std::sort(children.begin(), children.end());
  return children;
}

Result<void> refuse_parent(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto children = find_children(path);
  if (!children) return Unexpected(children.error());
  if (children->empty()) return {};
  return fail(ErrorKind::kMismatch,
              "{}: is the parent of {}, which a write would damage; write to the child, or allow "
              "it (vhdtool: --write-parent) if the child is not needed any more",
              path, quote(children->front()));
}

}  // namespace viridian::vhd
