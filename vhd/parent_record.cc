#include "vhd/parent_record.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "vhd/chain.h"
#include "vhd/limits.h"
#include "vhd/text.h"

namespace viridian::vhd {

Result<ParentRecord> look_at_parent(const std::string& child_path, const std::string& parent_path,
                                    const OpenPolicy& policy) {
  const auto chain = open_chain(parent_path, Access::kReadOnly, policy);
  if (!chain) return Unexpected(chain.error());
  if (chain->size() >= kMaxChainDepth) {
    return fail(ErrorKind::kInvalidArgument, "{}: parents: has {} already; merge some of them",
                parent_path, chain->size() - 1);
  }
  const ChainLink& link = chain->front();
  struct stat status {};
  if (::fstat(link.fd.get(), &status) != 0) return fail_errno(parent_path, errno);

  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path = fs::canonical(parent_path, error);
  if (error) return fail_errno(parent_path, error.value());
  const fs::path folder = fs::canonical(fs::absolute(child_path).parent_path(), error);
  if (error) return fail_errno(child_path, error.value());

  ParentRecord parent{path.string(), path.lexically_relative(folder).string(),
                      path.filename().string()};
  parent.size_bytes = link.image.size_bytes;
  parent.unique_id = link.image.unique_id;
  const int64_t modified = status.st_mtime - kEpochUnixSeconds;
  parent.time_stamp = modified < 0 ? 0 : static_cast<uint32_t>(modified);
  if (parent.path.find('\\') != std::string::npos) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: path: contains a backslash, which a VHD cannot record; rename it",
                quote(parent.path));
  }
  return parent;
}

Result<std::vector<uint16_t>> utf16_of_path(const std::string& path) {
  auto units = utf16_from_utf8(path);
  if (units) return std::move(*units);
  return fail(ErrorKind::kInvalidArgument,
              "{}: path: is not UTF-8, a VHD cannot record it; rename it", quote(path));
}

Result<void> set_parent(const ParentRecord& parent, SparseHeader& header) {
  const auto name = utf16_of_path(parent.name);
  if (!name) return Unexpected(name.error());
  header.parent_unique_id = parent.unique_id;
  header.parent_time_stamp = parent.time_stamp;
  header.parent_unicode_name.fill({});
  const size_t length = std::min(name->size(), header.parent_unicode_name.size());
  std::copy_n(name->begin(), length, header.parent_unicode_name.begin());
  return {};
}

}  // namespace viridian::vhd
