#include "vhd/tool/image_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "vhd/limits.h"
#include "vhd/lock.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kSector = 512;
constexpr size_t kMaxBitmapBytes = kMaxBlockSize / kSector / 8;

bool bit(std::span<const std::byte> bitmap, uint64_t sector) {
  return (bitmap[sector / 8] & (std::byte{0x80} >> (sector % 8))) != std::byte{0};
}

bool all_set(std::span<const std::byte> bitmap, uint64_t first, uint64_t end) {
  for (uint64_t sector = first; sector < end; ++sector) {
    if (sector % 8 == 0 && end - sector >= 8 && bitmap[sector / 8] == std::byte{0xff}) {
      sector += 7;
    } else if (!bit(bitmap, sector)) {
      return false;
    }
  }
  return true;
}

Result<std::vector<ChainLink>> open_locked(const std::string& path, const OpenPolicy& policy) {
  auto chain = open_chain(path, Access::kReadOnly, policy);
  if (!chain) return chain;
  VIRIDIAN_TRY(lock_for_reading(*chain));
  return chain;
}

// Past the page cache, if every file of the chain can.
void make_direct(const std::vector<ChainLink>& chain) {
  for (const ChainLink& link : chain) {
    const int flags = ::fcntl(link.fd.get(), F_GETFL);
    if (flags >= 0) (void)::fcntl(link.fd.get(), F_SETFL, flags | O_DIRECT);
  }
}

}  // namespace

bool PieceWalker::next(Piece& piece) {
  while (range_ < ranges_.size()) {
    const Range& range = ranges_[range_];
    const uint64_t begin = std::max(at_, align_down(range.offset, kPieceAlignment));
    const uint64_t end =
        std::min(align_up(range.offset + range.length, kPieceAlignment), size_bytes_);
    if (begin >= end) {
      ++range_;
      continue;
    }
    piece.offset = begin;
    at_ = std::min<uint64_t>(align_down<uint64_t>(begin, piece_bytes_) + piece_bytes_, end);
    piece.length = at_ - begin;
    return true;
  }
  return false;
}

Result<std::unique_ptr<ImageSource>> ImageSource::open(const std::string& path,
                                                       const OpenPolicy& policy, bool direct) {
  const auto before = open_locked(path, policy);
  if (!before) return Unexpected(before.error());
  // Read again, now that nobody writes: what the first look saw may have changed before its locks.
  auto chain = open_locked(path, policy);
  if (!chain) return Unexpected(std::move(chain).error());
  const Image& leaf = chain->front().image;
  if (leaf.type == ImageType::kRaw && leaf.size_bytes != leaf.file_size_bytes) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes are no multiple of 512; fill it up with truncate -s %512", path,
                leaf.file_size_bytes);
  }
  for (const ChainLink& link : *chain)
    (void)::posix_fadvise(link.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  if (direct) make_direct(*chain);
  return std::unique_ptr<ImageSource>(new ImageSource(std::move(*chain), direct));
}

ImageSource::ImageSource(std::vector<ChainLink> chain, bool direct)
    : chain_(std::move(chain)),
      direct_(direct),
      walker_(data_ranges(chain_), chain_.front().image.size_bytes, piece_bytes()) {}

void ImageSource::limit_to(uint64_t offset, uint64_t length) {
  std::vector<Range> kept;
  for (const Range& range : data_ranges(chain_)) {
    const uint64_t begin = std::max(range.offset, offset);
    const uint64_t end = std::min(range.offset + range.length, offset + length);
    if (begin < end) kept.push_back({begin, end - begin});
  }
  walker_ = PieceWalker(std::move(kept), *size_bytes(), piece_bytes());
}

Result<void> ImageSource::read(Piece& piece) {
  return read_layer(0, piece.offset, piece.buffer.first(piece.length));
}

Result<void> ImageSource::read_at(uint64_t offset, std::span<std::byte> into) const {
  return read_layer(0, offset, into);
}

Result<void> ImageSource::read_layer(size_t layer, uint64_t offset,
                                     std::span<std::byte> into) const {
  const uint64_t size = layer < chain_.size() ? chain_[layer].image.size_bytes : 0;
  // What lies beyond a smaller parent, or beyond the last one, reads as zeroes.
  const size_t inside = offset < size ? std::min<uint64_t>(into.size(), size - offset) : 0;
  std::fill(into.begin() + static_cast<std::ptrdiff_t>(inside), into.end(), std::byte{0});
  into = into.first(inside);
  if (into.empty()) return {};
  const ChainLink& link = chain_[layer];
  if (link.image.type == ImageType::kRaw || link.image.type == ImageType::kFixed) {
    return read_file(link, offset, into);
  }
  while (!into.empty()) {
    const uint64_t left = link.image.block_size - offset % link.image.block_size;
    const auto part = into.first(std::min<uint64_t>(into.size(), left));
    const bool allocated = link.image.bat[offset / link.image.block_size] != kUnusedEntry;
    VIRIDIAN_TRY(allocated ? read_block(layer, offset, part) : read_layer(layer + 1, offset, part));
    into = into.subspan(part.size());
    offset += part.size();
  }
  return {};
}

// A part of one allocated block: its sectors whose bits are set, and the parent's elsewhere.
Result<void> ImageSource::read_block(size_t layer, uint64_t offset,
                                     std::span<std::byte> into) const {
  const ChainLink& link = chain_[layer];
  const uint64_t in_block = offset % link.image.block_size;
  const uint64_t at = link.image.bat[offset / link.image.block_size] * kSector;
  const uint64_t first = in_block / kSector;
  const uint64_t end = first + into.size() / kSector;
  // The bytes of the bitmap that matter, in whole sectors: direct reads take nothing else.
  const uint64_t skipped = align_down<uint64_t>(first / 8, kSector);
  const uint64_t bytes = align_up<uint64_t>(div_ceil<uint64_t>(end, 8), kSector) - skipped;
  alignas(4096) thread_local std::byte memory[kMaxBitmapBytes];
  const std::span<std::byte> bitmap(memory, bytes);
  VIRIDIAN_TRY(read_file(link, at + skipped, bitmap));
  VIRIDIAN_TRY(read_file(link, at + link.image.bitmap_bytes + in_block, into));
  const uint64_t base = skipped * 8;
  if (all_set(bitmap, first - base, end - base)) return {};
  std::vector<Range> missing;  // a parent's block would overwrite `memory`
  for (uint64_t sector = first; sector < end; ++sector) {
    if (bit(bitmap, sector - base)) continue;
    const uint64_t start = (sector - first) * kSector;
    if (!missing.empty() && missing.back().offset + missing.back().length == start) {
      missing.back().length += kSector;
    } else {
      missing.push_back({start, kSector});
    }
  }
  for (const Range& range : missing) {
    VIRIDIAN_TRY(
        read_layer(layer + 1, offset + range.offset, into.subspan(range.offset, range.length)));
  }
  return {};
}

Result<void> ImageSource::read_file(const ChainLink& link, uint64_t offset,
                                    std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t n = ::pread(link.fd.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    const int flags = n < 0 && errno == EINVAL ? ::fcntl(link.fd.get(), F_GETFL) : 0;
    if (n < 0 && (flags & O_DIRECT) != 0) {  // the device's sectors are larger than 512 bytes
      (void)::fcntl(link.fd.get(), F_SETFL, flags & ~O_DIRECT);
      continue;
    }
    if (n < 0) {
      return fail_errno(
          fmt::format("{}: reading {} bytes at offset {}", link.path, into.size(), offset), errno);
    }
    if (n == 0) {
      return fail(ErrorKind::kIo, "{}: ends at offset {}; it shrank while it was read", link.path,
                  offset);
    }
    into = into.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

}  // namespace viridian::vhd::tool
