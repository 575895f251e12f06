#include "vhd/create.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/checked.h"
#include "vhd/control_io.h"
#include "vhd/footer.h"
#include "vhd/new_image.h"
#include "vhd/parent_paths.h"
#include "vhd/parent_record.h"

namespace viridian::vhd {
namespace {

// Windows 10: W2ku, the table and W2ru on pages of their own, with this much room for W2ru.
constexpr uint64_t kAbsolutePathOffset = 0x1000;
constexpr uint64_t kRelativePathSpace = 0x10000;
constexpr uint64_t kClassicTableOffset = sizeof(Footer) + sizeof(SparseHeader);

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

// Writes a recorded path at `offset` and describes it in `entry`.
Result<void> write_locator(const FileView& file, uint32_t code, std::span<const std::byte> text,
                           uint64_t offset, uint64_t space, ParentLocator& entry) {
  if (text.size() > kMaxLocatorBytes) {
    return fail(ErrorKind::kInvalidArgument, "{}: parent: its path is too long for a VHD",
                file.name);
  }
  entry.platform_code = code;
  entry.platform_data_space = static_cast<uint32_t>(space);
  entry.platform_data_length = static_cast<uint32_t>(text.size());
  entry.platform_data_offset = offset;
  return write_exact(file, offset, text, "parent locator");
}

// The same for a Windows path as UTF-16LE, in at least `least_space` bytes of whole `unit`s.
Result<void> write_path(const FileView& file, uint32_t code, const std::string& posix_path,
                        uint64_t offset, uint64_t least_space, uint64_t unit,
                        ParentLocator& entry) {
  const auto units = utf16_of_path(windows_from_posix(posix_path));
  if (!units) return Unexpected(units.error());
  const std::vector<le16> text(units->begin(), units->end());
  const auto bytes = std::as_bytes(std::span(text));
  const uint64_t space = std::max(least_space, align_up<uint64_t>(bytes.size(), unit));
  return write_locator(file, code, bytes, offset, space, entry);
}

uint64_t end_of(const ParentLocator& entry) {
  return entry.platform_data_offset + entry.platform_data_space;
}

// W2ku, the table and W2ru on pages of their own. Returns where they end.
Result<uint64_t> write_windows10_paths(const FileView& file, const CreateOptions& options,
                                       const ParentRecord& parent, SparseHeader& header) {
  auto& entries = header.parent_locators;
  VIRIDIAN_TRY(write_path(file, kLocatorW2ku, parent.path, kAbsolutePathOffset, kDataAlignment,
                          kDataAlignment, entries[0]));
  const auto kept = entries;
  header = make_header(options, end_of(kept[0]));
  header.parent_locators = kept;
  const uint64_t relative_offset = align_up(table_end(header), kDataAlignment);
  VIRIDIAN_TRY(write_path(file, kLocatorW2ru, parent.relative_path, relative_offset,
                          kRelativePathSpace, kDataAlignment, entries[1]));
  return end_of(entries[1]);
}

// Behind the table, and Xen's block map if there is one.
Result<uint64_t> write_paths_behind(const FileView& file, const CreateOptions& options,
                                    const WriterProfile& profile, const ParentRecord& parent,
                                    SparseHeader& header) {
  header = make_header(options, kClassicTableOffset);
  uint64_t at = batmap_end(header, profile);
  size_t next = 0;
  if (profile.parents == WriterProfile::Parents::kXen) {
    ParentLocator& entry = header.parent_locators[next++];
    const std::string url = "file://" + parent.path;
    VIRIDIAN_TRY(write_locator(file, kLocatorMacX, std::as_bytes(std::span(url)), at,
                               align_up<uint64_t>(url.size(), 512), entry));
    at = end_of(entry);
  }
  for (const uint32_t code : {kLocatorW2ku, kLocatorW2ru}) {
    ParentLocator& entry = header.parent_locators[next++];
    const std::string& path = code == kLocatorW2ku ? parent.path : parent.relative_path;
    VIRIDIAN_TRY(write_path(file, code, path, at, 0, 512, entry));
    at = end_of(entry);
  }
  return at;
}

Result<void> write_differencing(const FileView& file, const CreateOptions& options,
                                const ParentRecord& parent) {
  NewSparse image;
  image.profile = profile_of(options.compat);
  image.footer =
      footer_for(options.compat, kDiskTypeDifferencing, options.size_bytes, random_unique_id());
  SparseHeader& header = image.header;
  const auto end = image.profile.parents == WriterProfile::Parents::kWindows10
                       ? write_windows10_paths(file, options, parent, header)
                       : write_paths_behind(file, options, image.profile, parent, header);
  if (!end) return Unexpected(end.error());
  VIRIDIAN_TRY(set_parent(parent, header));
  return write_metadata(file, image, *end);
}

}  // namespace

Result<void> create_fixed(const std::string& path, const CreateOptions& options) {
  VIRIDIAN_TRY(check_options(path, options, false));
  auto temp = TempFile::create(path, options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  VIRIDIAN_TRY(set_size(*temp, options.size_bytes + sizeof(Footer), options.preallocate));
  const Footer footer =
      footer_for(options.compat, kDiskTypeFixed, options.size_bytes, random_unique_id());
  const FileView file = view_of(*temp, path);
  VIRIDIAN_TRY(write_exact(file, options.size_bytes, wire_bytes(footer), "footer"));
  return temp->complete(options.durability);
}

Result<void> create_dynamic(const std::string& path, const CreateOptions& options) {
  VIRIDIAN_TRY(check_options(path, options, true));
  auto temp = TempFile::create(path, options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  const NewSparse image = new_dynamic(options);
  VIRIDIAN_TRY(write_metadata(view_of(*temp, path), image, image.metadata_end));
  return temp->complete(options.durability);
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
  return temp->complete(options.durability);
}

}  // namespace viridian::vhd
