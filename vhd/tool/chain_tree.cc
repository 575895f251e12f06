#include "vhd/tool/chain_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "base/checked.h"
#include "io/unique_fd.h"
#include "vhd/control_io.h"
#include "vhd/footer_search.h"
#include "vhd/locators.h"
#include "vhd/parent_paths.h"
#include "vhd/text.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr size_t kMaxFolderDepth = 64;
constexpr int64_t kTimeToleranceSeconds = 3600;  // daylight saving time in old writers

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

// Footer, header and names; neither table nor blocks.
Result<void> load_identity(int fd, TreeNode& node) {
  const auto file = view_file(fd, quote(node.path));
  if (!file) return Unexpected(file.error());
  const auto found = find_footers(*file);
  if (!found) return Unexpected(found.error());
  VIRIDIAN_TRY(choose_footer(*file, *found, node.image));
  Image& image = node.image;
  node.type = image.type;
  node.unique_id = image.unique_id;
  node.size_bytes = disk_size(image.footer, SizeRule::kAuto);
  if (image.type != ImageType::kDifferencing) return {};
  if (!range_within<uint64_t>(image.footer.data_offset, sizeof(SparseHeader), file->size_bytes)) {
    return fail(ErrorKind::kCorrupt, "footer: data_offset leads out of the file");
  }
  const auto header = read_struct<SparseHeader>(*file, image.footer.data_offset, "header");
  if (!header) return Unexpected(header.error());
  image.header = *header;
  if (header->cookie != kHeaderCookie) {
    return fail(ErrorKind::kCorrupt, "header: cookie is not 'cxsparse'");
  }
  std::vector<Extent> places;
  return load_parent(*file, {}, image, places);
}

class TreeReader {
 public:
  TreeReader(const TreeOptions& options) : options_(options) {}

  Result<void> read(const std::string& folder) {
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail_errno(folder, errno);
    std::error_code error;
    root_ = std::filesystem::canonical(folder, error);
    return read_folder(fd.get(), "", 0);
  }

  std::vector<TreeNode> finish() {
    std::sort(nodes_.begin(), nodes_.end(),
              [](const TreeNode& a, const TreeNode& b) { return a.path < b.path; });
    for (size_t i = 0; i < nodes_.size(); ++i) {
      by_path_[nodes_[i].path] = i;
      if (nodes_[i].readable) by_id_[nodes_[i].unique_id].push_back(i);
    }
    find_clashes();
    for (size_t i = 0; i < nodes_.size(); ++i)
      find_parent(i);
    find_loops();
    return std::move(nodes_);
  }

 private:
  // Files behind links, devices and FIFOs are not opened: fstatat() says what they are first, and
  // O_NOFOLLOW and O_NONBLOCK hold if somebody changes them meanwhile.
  Result<void> read_folder(int folder_fd, const std::string& prefix, size_t depth) {
    const int copy = ::openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const Folder folder(copy < 0 ? nullptr : ::fdopendir(copy));
    if (!folder) return fail_errno(prefix.empty() ? "." : prefix, errno);
    while (const dirent* entry = ::readdir(folder.get())) {
      const std::string name = entry->d_name;
      struct stat status {};
      if (name == "." || name == ".." ||
          ::fstatat(folder_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      if (S_ISDIR(status.st_mode) && options_.recursive && depth < kMaxFolderDepth) {
        const UniqueFd below(
            ::openat(folder_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (below) VIRIDIAN_TRY(read_folder(below.get(), prefix + name + "/", depth + 1));
      }
      if (S_ISREG(status.st_mode) && has_vhd_name(name)) read_image(folder_fd, prefix, name);
    }
    return {};
  }

  void read_image(int folder_fd, const std::string& prefix, const std::string& name) {
    TreeNode node;
    node.path = prefix + name;
    const UniqueFd fd(::openat(folder_fd, name.c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      node.problems.push_back({"unreadable", "cannot be opened"});
      nodes_.push_back(std::move(node));
      return;
    }
    node.modified = status.st_mtime;
    if (const auto loaded = load_identity(fd.get(), node); loaded) {
      node.readable = true;
    } else {
      node.problems.push_back({"unreadable", loaded.error().message});
    }
    nodes_.push_back(std::move(node));
  }

  // Two images with one id: a child of the one may be taken for a child of the other.
  void find_clashes() {
    for (const auto& [id, list] : by_id_) {
      for (size_t i : list) {
        if (list.size() < 2) break;
        const size_t other = list[list[0] == i ? 1 : 0];
        nodes_[i].problems.push_back(
            {"id-clash", "has the unique id of " + quote(nodes_[other].path) + " too"});
      }
    }
  }

  void find_parent(size_t index) {
    TreeNode& node = nodes_[index];
    if (!node.readable || node.type != ImageType::kDifferencing) return;
    bool outside = false;
    std::string wrong;
    for (const ParentCandidate& one : parent_candidates(node.image, options_.policy)) {
      const std::filesystem::path folder = (root_ / node.path).parent_path();
      const std::filesystem::path place = (folder / one.path).lexically_normal();
      const std::string path = place.lexically_relative(root_).string();
      std::error_code error;
      outside |= path.starts_with("../") && std::filesystem::exists(place, error);
      const auto found = by_path_.find(path);
      if (found == by_path_.end()) continue;
      const TreeNode& candidate = nodes_[found->second];
      if (!candidate.readable) continue;
      if (candidate.unique_id == node.image.parent_unique_id) {
        return set_parent(index, found->second, one.source);
      }
      wrong = candidate.path;
    }
    const auto same_id = by_id_.find(node.image.parent_unique_id);
    if (same_id != by_id_.end() && same_id->second.size() == 1 &&
        same_id->second.front() != index) {
      set_parent(index, same_id->second.front(), "unique id");
      node.problems.push_back({"parent-moved", "its recorded paths do not lead to its parent " +
                                                   quote(nodes_[node.parent].path) +
                                                   "; vhdtool relink records it"});
      return;
    }
    if (!wrong.empty()) {
      node.problems.push_back({"parent-changed", "its parent's path leads to " + quote(wrong) +
                                                     ", which has another unique id"});
    } else {
      node.problems.push_back(
          {outside ? "parent-outside" : "parent-missing",
           "its parent " + quote(node.image.parent_name) +
               (outside ? " is not in this folder, but outside" : " is not here")});
    }
  }

  void set_parent(size_t index, size_t parent, std::string source) {
    TreeNode& node = nodes_[index];
    node.parent = parent;
    node.parent_source = std::move(source);
    nodes_[parent].children.push_back(index);
    if (node.image.parent_time_stamp != 0) {
      const int64_t recorded = int64_t{node.image.parent_time_stamp} + kEpochUnixSeconds;
      if (nodes_[parent].modified > recorded + kTimeToleranceSeconds) {
        node.problems.push_back({"parent-written",
                                 "its parent was written after the child was made: the disk may "
                                 "make no sense"});
      }
    }
    if (node.size_bytes != nodes_[parent].size_bytes) {
      node.problems.push_back(
          {"size-differs",
           fmt::format("has {} bytes, its parent {}", node.size_bytes, nodes_[parent].size_bytes)});
    }
  }

  // A node that leads to itself has no root: the link is cut there, and said.
  void find_loops() {
    enum class State : uint8_t { kNew, kOnTheWay, kDone };
    std::vector<State> state(nodes_.size(), State::kNew);
    std::vector<size_t> way;
    for (size_t start = 0; start < nodes_.size(); ++start) {
      way.clear();
      size_t at = start;
      for (; at != kNoNode && state[at] == State::kNew; at = nodes_[at].parent) {
        state[at] = State::kOnTheWay;
        way.push_back(at);
      }
      if (at != kNoNode && state[at] == State::kOnTheWay) cut_loop(at);
      for (size_t node : way)
        state[node] = State::kDone;
    }
  }

  void cut_loop(size_t index) {
    TreeNode& node = nodes_[index];
    auto& siblings = nodes_[node.parent].children;
    siblings.erase(std::find(siblings.begin(), siblings.end(), index));
    node.problems.push_back(
        {"loop", "is its own ancestor, through " + quote(nodes_[node.parent].path)});
    node.parent = kNoNode;
  }

  const TreeOptions& options_;
  std::filesystem::path root_;
  std::vector<TreeNode> nodes_;
  std::map<std::string, size_t> by_path_;
  std::map<UniqueId, std::vector<size_t>> by_id_;
};

}  // namespace

Result<std::vector<TreeNode>> read_tree(const std::string& folder, const TreeOptions& options) {
  TreeReader reader(options);
  VIRIDIAN_TRY(reader.read(folder));
  return reader.finish();
}

}  // namespace viridian::vhd::tool
