#include "vhd/open_disk.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

#include "vhd/chain.h"
#include "vhd/children.h"

namespace viridian::vhd {
namespace {

// A raw file has no id of its own; one that is stable while the file exists is made of its inode.
UniqueId id_of_file(const struct stat& status) {
  UniqueId id = {'r', 'a', 'w', 0};
  const be32 device = static_cast<uint32_t>(status.st_dev);
  const be64 inode = status.st_ino;
  std::memcpy(id.data() + 4, &device, sizeof(device));
  std::memcpy(id.data() + 8, &inode, sizeof(inode));
  return id;
}

Result<DiskDescription> describe(const std::vector<ChainLink>& links) {
  const ChainLink& leaf = links.front();
  DiskDescription description;
  description.type = leaf.image.type;
  description.block_size = leaf.image.block_size;
  description.layers = static_cast<uint32_t>(links.size());
  description.leaf = UniqueFd(::fcntl(leaf.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!description.leaf) return fail_errno(leaf.path, errno);
  description.lock = leaf.lock;
  return description;
}

}  // namespace

Result<std::unique_ptr<io::BlockDevice>> open_disk(io::Reactor& reactor, const std::string& path,
                                                   const DiskOptions& options,
                                                   DiskDescription* description) {
  const Access access = options.read_only ? Access::kReadOnly : Access::kReadWrite;
  const Locks locks = options.lock ? Locks::kTake : Locks::kNone;
  auto links = open_chain(path, access, options.policy, locks);
  if (!links) return Unexpected(std::move(links).error());
  if (!options.read_only && !options.policy.write_parent) {
    VIRIDIAN_TRY(refuse_parent(path));
  }

  if (description != nullptr) {
    auto described = describe(*links);
    if (!described) return Unexpected(std::move(described).error());
    *description = std::move(*described);
  }

  std::vector<ChainDisk::Part> parts;
  for (ChainLink& link : *links) {
    const bool read_only = options.read_only || !parts.empty();
    auto file =
        io::UringFile::adopt(reactor, std::move(link.fd), link.path, {read_only, options.cache});
    if (!file) return Unexpected(std::move(file).error());
    if (link.image.type == ImageType::kRaw) link.image.unique_id = id_of_file((*file)->status());
    parts.push_back({std::move(*file), std::move(link.image), std::move(link.lock)});
  }
  auto disk = ChainDisk::create(reactor, std::move(parts), options.read_only);
  if (!disk) return Unexpected(std::move(disk).error());
  return std::unique_ptr<io::BlockDevice>(std::move(*disk));
}

Result<std::unique_ptr<io::BlockDevice>> open_second_queue(io::BlockDevice& disk,
                                                           io::Reactor& reactor) {
  return static_cast<ChainDisk&>(disk).open_view(reactor);
}

}  // namespace viridian::vhd
