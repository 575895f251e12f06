// nbdkit-viridian-plugin: any image of this library as an NBD export, written by the same engine as
// a guest's disk. nbdkit-plugin(3).
//
//   nbdkit viridian file=disk.vhd [format=vhd|raw] [cache=none|writeback] [readonly=true]
//          [allow-parent-outside=true] [parent=FILE] [write-parent=true]
//
// nbdkit calls from as many threads as clients have requests; all go to one disk on one thread, so
// a flush on one connection covers the writes of all. The plugin's state is global because nbdkit's
// interface is: one process serves one disk. Left out: which parts are allocated, while writing.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "vhd/nbdkit/disk_thread.h"
#include "vhd/tool/data_map.h"

#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#include <nbdkit-plugin.h>

namespace viridian::vhd {
namespace {

struct Export {
  std::string path;
  DiskOptions options;
  std::vector<tool::Range> ranges;  // what may hold data, if nobody writes
  std::unique_ptr<DiskThread> disk;
};

Export g_export;

int fail_with(const Error& error) {
  nbdkit_error("%s", error.message.c_str());
  return -1;
}

int wrong_value(const char* key, const char* value) {
  nbdkit_error("%s=%s: is no value of it; see nbdkit viridian --help", key, value);
  return -1;
}

int set_flag(const char* key, const char* value, bool& flag) {
  const int parsed = nbdkit_parse_bool(value);
  if (parsed < 0) return wrong_value(key, value);
  flag = parsed != 0;
  return 0;
}

int config(const char* key, const char* value) {
  const std::string_view name = key;
  const std::string_view text = value;
  DiskOptions& options = g_export.options;
  if (name == "file") {
    std::error_code error;
    g_export.path = std::filesystem::absolute(value, error).string();
  } else if (name == "parent") {
    options.policy.parent_override = value;
  } else if (name == "format" && (text == "vhd" || text == "raw" || text == "auto")) {
    options.policy.format = text == "vhd"   ? Format::kVhd
                            : text == "raw" ? Format::kRaw
                                            : Format::kAuto;
  } else if (name == "cache" && (text == "none" || text == "writeback")) {
    options.cache = text == "none" ? io::CacheMode::kNone : io::CacheMode::kWriteback;
  } else if (name == "readonly") {
    return set_flag(key, value, options.read_only);
  } else if (name == "write-parent") {
    return set_flag(key, value, options.policy.write_parent);
  } else if (name == "allow-parent-outside") {
    return set_flag(key, value, options.policy.allow_parent_outside);
  } else {
    return wrong_value(key, value);
  }
  return 0;
}

int config_complete() {
  if (!g_export.path.empty()) return 0;
  nbdkit_error("file: is missing; add file=IMAGE");
  return -1;
}

// Before the fork, so that the person who started the server sees what is wrong with the image.
int get_ready() {
  const auto chain = open_chain(g_export.path, Access::kReadOnly, g_export.options.policy);
  if (!chain) return fail_with(chain.error());
  if (chain->front().image.read_only) g_export.options.read_only = true;
  return 0;
}

int after_fork() {
  auto disk = DiskThread::start(g_export.path, g_export.options);
  if (!disk) return fail_with(disk.error());
  g_export.disk = std::move(*disk);
  if (!g_export.options.read_only) return 0;
  // With the disk's locks held, what the map says stays true.
  const auto chain = open_chain(g_export.path, Access::kReadOnly, g_export.options.policy);
  if (!chain) return fail_with(chain.error());
  g_export.ranges = tool::data_ranges(*chain);
  return 0;
}

void unload() { g_export.disk.reset(); }

void* open_connection(int) { return &g_export; }

int64_t get_size(void*) {
  return static_cast<int64_t>(g_export.disk->info().sector_count * io::kSectorSize);
}

int can_write(void*) { return g_export.disk->info().read_only ? 0 : 1; }
int yes(void*) { return 1; }
int native_fua(void*) { return NBDKIT_FUA_NATIVE; }
int can_trim(void*) { return g_export.disk->info().discard_granularity != 0 ? 1 : 0; }
int can_extents(void*) { return g_export.options.read_only ? 1 : 0; }

int block_size(void*, uint32_t* minimum, uint32_t* preferred, uint32_t* maximum) {
  *minimum = io::kSectorSize;
  *preferred = 4096;
  *maximum = 0xffffffff;
  return 0;
}

int error_of(io::IoStatus status) {
  switch (status) {
    case io::IoStatus::kReadOnly:
      return EPERM;
    case io::IoStatus::kNoSpace:
      return ENOSPC;
    case io::IoStatus::kInvalid:
    case io::IoStatus::kOutOfRange:
      return EINVAL;
    case io::IoStatus::kUnsupported:
      return EOPNOTSUPP;
    default:
      return EIO;
  }
}

int run(io::IoOp op, uint64_t offset, uint64_t length, std::span<std::byte> bytes, bool fua) {
  const bool whole = offset % io::kSectorSize == 0 && length % io::kSectorSize == 0;
  const auto status = whole ? g_export.disk->run(op, offset, length, bytes, fua)
                            : io::IoStatus::kInvalid;  // the client was told the block size
  if (status == io::IoStatus::kOk) return 0;
  nbdkit_set_error(error_of(status));
  nbdkit_error("%llu bytes at offset %llu: %s", static_cast<unsigned long long>(length),
               static_cast<unsigned long long>(offset), std::strerror(error_of(status)));
  return -1;
}

int pread(void*, void* buffer, uint32_t count, uint64_t offset, uint32_t) {
  return run(io::IoOp::kRead, offset, count, {static_cast<std::byte*>(buffer), count}, false);
}

int pwrite(void*, const void* buffer, uint32_t count, uint64_t offset, uint32_t flags) {
  // A write reads from the iovec, whose pointer has no const.
  auto* bytes = static_cast<std::byte*>(const_cast<void*>(buffer));
  return run(io::IoOp::kWrite, offset, count, {bytes, count}, (flags & NBDKIT_FLAG_FUA) != 0);
}

int flush(void*, uint32_t) { return run(io::IoOp::kFlush, 0, 0, {}, false); }

int change_then_flush(io::IoOp op, uint64_t offset, uint32_t count, uint32_t flags) {
  if (run(op, offset, count, {}, false) != 0) return -1;
  return (flags & NBDKIT_FLAG_FUA) != 0 ? run(io::IoOp::kFlush, 0, 0, {}, false) : 0;
}

int trim(void*, uint32_t count, uint64_t offset, uint32_t flags) {
  return change_then_flush(io::IoOp::kDiscard, offset, count, flags);
}

int zero(void*, uint32_t count, uint64_t offset, uint32_t flags) {
  return change_then_flush(io::IoOp::kWriteZeroes, offset, count, flags);
}

int extents(void*, uint32_t count, uint64_t offset, uint32_t, struct nbdkit_extents* list) {
  const uint64_t end = offset + count;
  uint64_t at = offset;
  for (const tool::Range& range : g_export.ranges) {
    const uint64_t range_end = range.offset + range.length;
    if (range_end <= at) continue;
    if (range.offset >= end) break;
    if (range.offset > at && nbdkit_add_extent(list, at, range.offset - at,
                                               NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO) != 0) {
      return -1;
    }
    at = std::max(at, range.offset);
    const uint64_t length = std::min(range_end, end) - at;
    if (nbdkit_add_extent(list, at, length, 0) != 0) return -1;
    at += length;
  }
  if (at >= end) return 0;
  return nbdkit_add_extent(list, at, end - at, NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO);
}

nbdkit_plugin make_plugin() {
  nbdkit_plugin plugin{};
  plugin.name = "viridian";
  plugin.version = "0.1.0";
  plugin.longname = "Viridian VHD images";
  plugin.description = "Serves fixed, dynamic and differencing VHD images, and raw ones";
  plugin.config_help =
      "file=IMAGE                     (required) the image\n"
      "format=auto|vhd|raw            what it is; auto goes by its name\n"
      "cache=none|writeback           past the host's page cache, or through it\n"
      "readonly=true                  let nobody write; others may read the image meanwhile\n"
      "parent=IMAGE                   its parent, instead of the one that it names\n"
      "allow-parent-outside=true      follow parents out of their child's folder\n"
      "write-parent=true              write although the image is the parent of another one";
  plugin.magic_config_key = "file";
  plugin.config = config;
  plugin.config_complete = config_complete;
  plugin.get_ready = get_ready;
  plugin.after_fork = after_fork;
  plugin.unload = unload;
  plugin.open = open_connection;
  plugin.get_size = get_size;
  plugin.block_size = block_size;
  plugin.can_write = can_write;
  plugin.can_flush = yes;
  plugin.can_fua = native_fua;
  plugin.can_multi_conn = yes;
  plugin.can_trim = can_trim;
  plugin.can_zero = yes;
  plugin.can_extents = can_extents;
  plugin.pread = pread;
  plugin.pwrite = pwrite;
  plugin.flush = flush;
  plugin.trim = trim;
  plugin.zero = zero;
  plugin.extents = extents;
  return plugin;
}

nbdkit_plugin g_plugin = make_plugin();

}  // namespace
}  // namespace viridian::vhd

NBDKIT_REGISTER_PLUGIN(viridian::vhd::g_plugin)
