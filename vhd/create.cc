#include "vhd/create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <filesystem>

#include "base/checked.h"
#include "vhd/chain.h"
#include "vhd/control_io.h"
#include "vhd/footer.h"
#include "vhd/parent_paths.h"
#include "vhd/temp_file.h"
#include "vhd/text.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kHeaderOffset = sizeof(Footer);
constexpr uint64_t kDynamicTableOffset = kHeaderOffset + sizeof(SparseHeader);
// Windows 10: W2ku, the table and W2ru on pages of their own, with this much room for W2ru.
constexpr uint64_t kAbsolutePathOffset = 0x1000;
constexpr uint64_t kRelativePathSpace = 0x10000;
constexpr uint64_t kTablePieceBytes = 64 * 1024;

Result<void> check_options(const std::string& path, const CreateOptions& options, bool sparse) {
  const uint64_t limit = sparse ? kMaxSparseSize : kMaxFixedSize;
  if (options.size_bytes == 0 || options.size_bytes % 512 != 0 || options.size_bytes > limit) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes are not a positive multiple of 512 up to {}", path,
                options.size_bytes, limit);
  }
  if (!sparse) return {};
  const uint32_t block_size = options.block_size;
  if (!std::has_single_bit(block_size) || block_size < kMinBlockSize ||
      block_size > kMaxBlockSize) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: block size: {} is not a power of two from {} to {}; Windows takes 2 MiB only",
                path, block_size, kMinBlockSize, kMaxBlockSize);
  }
  const uint64_t blocks = div_ceil<uint64_t>(options.size_bytes, block_size);
  if (blocks > kMaxBatEntries) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: block size: {} bytes make {} blocks, the limit is {}; use larger blocks", path,
                block_size, blocks, kMaxBatEntries);
  }
  return {};
}

SparseHeader make_header(const CreateOptions& options, uint64_t table_offset) {
  SparseHeader header;
  header.cookie = kHeaderCookie;
  header.data_offset = kNoOffset;
  header.table_offset = table_offset;
  header.header_version = kFormatVersion;
  header.max_table_entries =
      static_cast<uint32_t>(div_ceil<uint64_t>(options.size_bytes, options.block_size));
  header.block_size = options.block_size;
  return header;
}

uint64_t table_end(const SparseHeader& header) {
  return header.table_offset + align_up<uint64_t>(uint64_t{header.max_table_entries} * 4, 512);
}

Result<void> write_table(const FileView& file, const SparseHeader& header) {
  const std::vector<std::byte> unused(kTablePieceBytes, std::byte{0xff});
  const uint64_t end = table_end(header);
  for (uint64_t at = header.table_offset; at < end; at += kTablePieceBytes) {
    const auto piece = std::span(unused).first(std::min(kTablePieceBytes, end - at));
    VIRIDIAN_TRY(write_exact(file, at, piece, "block table"));
  }
  return {};
}

// Both footers, header and table; `metadata_end` is where the rest ends.
Result<void> write_sparse(const FileView& file, const Footer& footer, SparseHeader header,
                          uint64_t metadata_end) {
  seal(header);
  VIRIDIAN_TRY(write_exact(file, 0, wire_bytes(footer), "footer's copy"));
  VIRIDIAN_TRY(write_exact(file, kHeaderOffset, wire_bytes(header), "header"));
  VIRIDIAN_TRY(write_table(file, header));
  // The file ends on a page, so the first block's bitmap takes the footer's place and the block's
  // data starts on the page behind it.
  const uint64_t end = align_up(metadata_end + sizeof(Footer), kDataAlignment);
  return write_exact(file, end - sizeof(Footer), wire_bytes(footer), "footer");
}

Result<void> set_size(const TempFile& temp, uint64_t size_bytes, bool preallocate) {
  const auto size = static_cast<off_t>(size_bytes);
  const int result =
      preallocate ? ::fallocate(temp.fd(), 0, 0, size) : ::ftruncate(temp.fd(), size);
  if (result == 0) return {};
  return fail_errno(fmt::format("{}: setting its size to {} bytes", temp.final_path(), size_bytes),
                    errno);
}

FileView view_of(const TempFile& temp, const std::string& name) {
  FileView file;
  file.fd = temp.fd();
  file.name = name;
  return file;
}

struct Parent {
  std::string path;           // absolute, without links
  std::string relative_path;  // from the child's folder
  std::string name;
  uint64_t size_bytes = 0;
  UniqueId unique_id{};
  uint32_t time_stamp = 0;
};

Result<Parent> look_at_parent(const std::string& child_path, const std::string& parent_path,
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

  Parent parent{path.string(), path.lexically_relative(folder).string(), path.filename().string()};
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

Result<std::vector<uint16_t>> utf16(const std::string& path) {
  auto units = utf16_from_utf8(path);
  if (units) return std::move(*units);
  return fail(ErrorKind::kInvalidArgument,
              "{}: path: is not UTF-8, a VHD cannot record it; rename it", quote(path));
}

// Writes a path as UTF-16LE at `offset` and describes it in `entry`.
Result<void> write_path(const FileView& file, uint32_t code, const std::string& posix_path,
                        uint64_t offset, uint64_t least_space, ParentLocator& entry) {
  const auto units = utf16(windows_from_posix(posix_path));
  if (!units) return Unexpected(units.error());
  const std::vector<le16> text(units->begin(), units->end());
  const auto bytes = std::as_bytes(std::span(text));
  const uint64_t space = std::max(least_space, align_up<uint64_t>(bytes.size(), kDataAlignment));
  if (bytes.size() > kMaxLocatorBytes) {
    return fail(ErrorKind::kInvalidArgument, "{}: path: is too long for a VHD", posix_path);
  }
  entry.platform_code = code;
  entry.platform_data_space = static_cast<uint32_t>(space);
  entry.platform_data_length = static_cast<uint32_t>(bytes.size());
  entry.platform_data_offset = offset;
  return write_exact(file, offset, bytes, "parent locator");
}

uint64_t end_of(const ParentLocator& entry) {
  return entry.platform_data_offset + entry.platform_data_space;
}

Result<void> write_differencing(const FileView& file, const CreateOptions& options,
                                const Parent& parent) {
  ParentLocator absolute;
  ParentLocator relative;
  VIRIDIAN_TRY(
      write_path(file, kLocatorW2ku, parent.path, kAbsolutePathOffset, kDataAlignment, absolute));
  SparseHeader header = make_header(options, end_of(absolute));
  const uint64_t relative_offset = align_up(table_end(header), kDataAlignment);
  VIRIDIAN_TRY(write_path(file, kLocatorW2ru, parent.relative_path, relative_offset,
                          kRelativePathSpace, relative));
  header.parent_locators[0] = absolute;
  header.parent_locators[1] = relative;
  header.parent_unique_id = parent.unique_id;
  header.parent_time_stamp = parent.time_stamp;
  const auto name = utf16(parent.name);
  if (!name) return Unexpected(name.error());
  const size_t length = std::min(name->size(), header.parent_unicode_name.size());
  std::copy_n(name->begin(), length, header.parent_unicode_name.begin());
  const Footer footer = make_footer(kDiskTypeDifferencing, options.size_bytes, random_unique_id());
  return write_sparse(file, footer, header, end_of(relative));
}

}  // namespace

Result<void> create_fixed(const std::string& path, const CreateOptions& options) {
  VIRIDIAN_TRY(check_options(path, options, false));
  auto temp = TempFile::create(path, options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  VIRIDIAN_TRY(set_size(*temp, options.size_bytes + sizeof(Footer), options.preallocate));
  const Footer footer = make_footer(kDiskTypeFixed, options.size_bytes, random_unique_id());
  const FileView file = view_of(*temp, path);
  VIRIDIAN_TRY(write_exact(file, options.size_bytes, wire_bytes(footer), "footer"));
  return temp->complete();
}

Result<void> create_dynamic(const std::string& path, const CreateOptions& options) {
  VIRIDIAN_TRY(check_options(path, options, true));
  auto temp = TempFile::create(path, options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  const SparseHeader header = make_header(options, kDynamicTableOffset);
  const Footer footer = make_footer(kDiskTypeDynamic, options.size_bytes, random_unique_id());
  const FileView file = view_of(*temp, path);
  VIRIDIAN_TRY(write_sparse(file, footer, header, table_end(header)));
  return temp->complete();
}

Result<void> create_differencing(const std::string& path, const std::string& parent_path,
                                 const CreateOptions& options, const OpenPolicy& policy) {
  const auto parent = look_at_parent(path, parent_path, policy);
  if (!parent) return Unexpected(parent.error());
  CreateOptions full = options;
  if (full.size_bytes == 0) full.size_bytes = parent->size_bytes;
  VIRIDIAN_TRY(check_options(path, full, true));
  if (full.size_bytes < parent->size_bytes) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes are less than the parent's {}; leave the size out", path,
                full.size_bytes, parent->size_bytes);
  }
  auto temp = TempFile::create(path, options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  VIRIDIAN_TRY(write_differencing(view_of(*temp, path), full, *parent));
  return temp->complete();
}

}  // namespace viridian::vhd
