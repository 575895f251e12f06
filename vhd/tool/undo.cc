#include "vhd/tool/undo.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/checked.h"
#include "io/unique_fd.h"
#include "vhd/temp_file.h"
#include "vhd/tool/undo_format.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;

// The places of the image that the plan changes, as far as they are in the file.
std::vector<UndoRecord> records_of(const RepairPlan& plan) {
  std::vector<UndoRecord> records;
  const auto add = [&](uint64_t offset, uint64_t length) {
    const uint64_t there = plan.size_before - std::min(plan.size_before, offset);
    if (std::min(there, length) != 0) records.push_back({offset, std::min(there, length)});
  };
  for (const Change& change : plan.changes)
    add(change.offset, change.after.size());
  if (plan.size_after < plan.size_before) {
    add(plan.size_after, plan.size_before - plan.size_after);
  }
  return records;
}

Result<void> copy(const FileView& from, uint64_t from_offset, const FileView& to,
                  uint64_t to_offset, uint64_t length) {
  std::vector<std::byte> piece(std::min(length, kPieceBytes));
  for (uint64_t at = 0; at < length; at += piece.size()) {
    const auto bytes = std::span(piece).first(std::min<uint64_t>(piece.size(), length - at));
    VIRIDIAN_TRY(read_exact(from, from_offset + at, bytes, "saved bytes"));
    VIRIDIAN_TRY(write_exact(to, to_offset + at, bytes, "saved bytes"));
  }
  return {};
}

struct SavedRecord {
  uint64_t offset;  // in the image
  uint64_t length;
  uint64_t saved_at;  // in the undo file
};

Result<std::vector<SavedRecord>> read_records(const FileView& file, const UndoHeader& header) {
  std::vector<SavedRecord> records;
  uint64_t at = sizeof(UndoHeader);
  for (uint64_t i = 0; i < header.record_count; ++i) {
    const bool has_record = range_within<uint64_t>(at, sizeof(UndoRecord), file.size_bytes);
    const auto record = has_record ? read_struct<UndoRecord>(file, at, "record") : UndoRecord{};
    if (!record) return Unexpected(record.error());
    at += sizeof(UndoRecord);
    const bool good = has_record && range_within<uint64_t>(at, record->length, file.size_bytes) &&
                      range_within<uint64_t>(record->offset, record->length, header.size_before);
    if (!good) {
      return fail(ErrorKind::kCorrupt, "{}: record {}: is cut or damaged; nothing was put back",
                  file.name, i);
    }
    records.push_back({record->offset, record->length, at});
    at += record->length;
  }
  return records;
}

}  // namespace

Result<void> save_undo(const std::string& path, const FileView& image, const RepairPlan& plan) {
  auto temp = TempFile::create(path, false);
  if (!temp) return Unexpected(std::move(temp).error());
  FileView file;
  file.fd = temp->fd();
  file.name = path;
  const auto records = records_of(plan);
  const UndoHeader header = {kUndoCookie, plan.size_before, plan.size_after, records.size()};
  VIRIDIAN_TRY(write_exact(file, 0, wire_bytes(header), "header"));
  uint64_t at = sizeof(header);
  for (const UndoRecord& record : records) {
    VIRIDIAN_TRY(write_exact(file, at, wire_bytes(record), "record"));
    VIRIDIAN_TRY(copy(image, record.offset, file, at + sizeof(record), record.length));
    at += sizeof(record) + record.length;
  }
  return temp->complete();
}

Result<void> put_back(const std::string& path, const FileView& image) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(path, errno);
  const auto file = view_file(fd.get(), path);
  if (!file) return Unexpected(file.error());
  const bool long_enough = file->size_bytes >= sizeof(UndoHeader);
  const auto header = long_enough ? read_struct<UndoHeader>(*file, 0, "header") : UndoHeader{};
  if (!header) return Unexpected(header.error());
  if (header->cookie != kUndoCookie) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: header: is no undo file; give one that 'vhdtool repair --backup' made", path);
  }
  if (header->size_after.get() != image.size_bytes) {
    return fail(ErrorKind::kMismatch,
                "{}: size: is {} bytes, the repair left {}: the undo file belongs to another image "
                "or to an earlier state; nothing was put back",
                image.name, image.size_bytes, header->size_after.get());
  }
  const auto records = read_records(*file, *header);
  if (!records) return Unexpected(records.error());
  for (auto record = records->rbegin(); record != records->rend(); ++record)
    VIRIDIAN_TRY(copy(*file, record->saved_at, image, record->offset, record->length));
  if (::ftruncate(image.fd, static_cast<off_t>(header->size_before.get())) != 0 ||
      ::fsync(image.fd) != 0) {
    return fail_errno(image.name, errno);
  }
  return {};
}

}  // namespace viridian::vhd::tool
