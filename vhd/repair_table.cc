#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "vhd/batmap.h"
#include "vhd/footer.h"
#include "vhd/limits.h"
#include "vhd/locators.h"
#include "vhd/repair_plan.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

struct Place {
  uint32_t sector = 0;
  uint32_t index = 0;
};

class TableRepair {
 public:
  TableRepair(const FileView& file, const FooterCure& footers, const OpenPolicy& policy,
              const RepairChoices& choices, RepairPlan& plan)
      : file_(file), policy_(policy), choices_(choices), plan_(plan) {
    image().type = footers.footer.disk_type.get() == kDiskTypeDifferencing
                       ? ImageType::kDifferencing
                       : ImageType::kDynamic;
    image().footer = footers.footer;
    image().footer_offset = footers.last_offset;
    image().file_size_bytes = file.size_bytes;
    image().size_bytes = disk_size(footers.footer, policy.size_rule);
    // What a last footer that stays does not cover may be blocks.
    limit_ = footers.last_stands && !footers.cut_at ? footers.last_offset : file.size_bytes;
  }

  Result<std::optional<TableCure>> run() {
    const auto usable = read_header();
    if (!usable) return Unexpected(usable.error());
    if (!*usable) return std::optional<TableCure>();
    VIRIDIAN_TRY(read_table());
    if (auto located = locate_metadata(); !located) {
      // A locator or a block map that leads out of the file: the verdict of the final look.
      if (located.error().kind != ErrorKind::kCorrupt) return Unexpected(located.error());
      return std::optional<TableCure>();
    }
    check_places();
    find_end();
    if (resealed_) judge_resealed();
    return std::optional(std::move(cure_));
  }

 private:
  Image& image() { return cure_.image; }

  // False if the header leads nowhere, which the final look at the image puts in words.
  Result<bool> read_header() {
    const uint64_t offset = image().footer.data_offset;
    if (offset < sizeof(Footer) || !is_aligned(offset, kSector) ||
        !range_within<uint64_t>(offset, sizeof(SparseHeader), file_.size_bytes)) {
      return false;
    }
    const auto header = read_struct<SparseHeader>(file_, offset, "header");
    if (!header) return Unexpected(header.error());
    image().header = *header;
    image().block_size = header->block_size;
    image().bat_offset = header->table_offset;
    const uint32_t block_size = header->block_size;
    if (header->cookie != kHeaderCookie || !std::has_single_bit(block_size) ||
        block_size < kMinBlockSize || block_size > kMaxBlockSize || image().size_bytes == 0) {
      return false;
    }
    image().bitmap_bytes = align_up<uint32_t>(div_ceil<uint32_t>(block_size / 512, 8), 512);
    block_bytes_ = uint64_t{image().bitmap_bytes} + block_size;
    count_ = div_ceil<uint64_t>(image().size_bytes, block_size);
    table_bytes_ = uint64_t{header->max_table_entries} * sizeof(be32);
    if (header->max_table_entries < count_ || count_ > kMaxBatEntries ||
        !is_aligned(image().bat_offset, kSector) ||
        !range_within<uint64_t>(image().bat_offset, table_bytes_, file_.size_bytes)) {
      return false;
    }
    if (compute_checksum(*header) != header->checksum.get()) reseal();
    return true;
  }

  void reseal() {
    resealed_ = true;
    const SparseHeader old = image().header;
    seal(image().header);
    const uint64_t at = image().footer.data_offset;
    add_flaw(plan_, "header-checksum", "header", at + offsetof(SparseHeader, checksum),
             fmt::format("its checksum is {:#010x}, its bytes give {:#010x}", old.checksum.get(),
                         image().header.checksum.get()));
    const auto before = wire_bytes(old.checksum);
    const auto after = wire_bytes(image().header.checksum);
    add_change(plan_, file_,
               {Stage::kHeader,
                "header-checksum",
                "header: checksum",
                at + offsetof(SparseHeader, checksum),
                {before.begin(), before.end()},
                {after.begin(), after.end()},
                "the sum of the header's bytes"});
  }

  Result<void> read_table() {
    std::vector<be32> piece(std::min<uint64_t>(count_, 64 * 1024));
    image().bat = BlockTable(count_);
    for (uint64_t first = 0; first < count_; first += piece.size()) {
      piece.resize(std::min<uint64_t>(piece.size(), count_ - first));
      const uint64_t at = image().bat_offset + first * sizeof(be32);
      VIRIDIAN_TRY(read_exact(file_, at, std::as_writable_bytes(std::span(piece)), "block table"));
      for (size_t i = 0; i < piece.size(); ++i)
        image().bat.set(first + i, piece[i]);
    }
    return {};
  }

  Result<void> locate_metadata() {
    const uint64_t padded = align_up<uint64_t>(table_bytes_, kSector);
    cure_.metadata = {
        {0, sizeof(Footer), "the footer's copy"},
        {image().footer.data_offset, sizeof(SparseHeader), "the header"},
        {image().bat_offset, padded, "the block table"},
    };
    VIRIDIAN_TRY(check_apart(file_, cure_.metadata));
    if (image().type == ImageType::kDifferencing) {
      VIRIDIAN_TRY(load_parent(file_, policy_, image(), cure_.metadata));
    }
    return load_batmap(file_, image().bat_offset + padded, image(), cure_.metadata);
  }

  void check_places() {
    std::vector<Place> places;
    for (uint32_t i = 0; i < image().bat.size(); ++i) {
      const uint32_t sector = image().bat[i];
      if (sector == kUnusedEntry) continue;
      const uint64_t offset = sector * kSector;
      if (offset >= limit_) {
        drop(i, "entry-past-end",
             fmt::format("is sector {}, behind the end of the file's data at {}", sector, limit_));
      } else if (const Extent* hit = metadata_at(offset)) {
        drop(i, "entry-in-metadata",
             fmt::format("is sector {}: its block overlaps {}", sector, hit->field));
      } else {
        places.push_back({sector, i});
      }
    }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
      return a.sector != b.sector ? a.sector < b.sector : a.index < b.index;
    });
    check_shared(places);
  }

  const Extent* metadata_at(uint64_t offset) const {
    for (const Extent& one : cure_.metadata) {
      if (one.length != 0 && offset < one.offset + one.length &&
          one.offset < offset + block_bytes_) {
        return &one;
      }
    }
    return nullptr;
  }

  void check_shared(const std::vector<Place>& places) {
    const Place* kept = nullptr;
    for (const Place& one : places) {
      if (kept == nullptr || (one.sector - uint64_t{kept->sector}) * kSector >= block_bytes_) {
        kept = &one;
        continue;
      }
      const auto [first, last] = std::minmax(one.index, kept->index);
      std::string text =
          fmt::format("is sector {}, inside the block of table entry {} at sector {}",
                      image().bat[last], first, image().bat[first]);
      if (image().bat[first] == kUnusedEntry || image().bat[last] == kUnusedEntry) continue;
      if (choices_.shared == SharedChoice::kNone) {
        Flaw* flaw = entry_flaw(last, "entries-share-block", std::move(text));
        if (flaw == nullptr) return;
        flaw->cure = Cure::kChoice;
        flaw->advice = "choose who keeps the block with --shared first or last";
        continue;
      }
      drop(choices_.shared == SharedChoice::kFirst ? last : first, "entries-share-block", text);
      if (image().bat[kept->index] == kUnusedEntry) kept = &one;
    }
  }

  // Nothing once there are too many: the last one says so.
  Flaw* entry_flaw(uint32_t index, std::string_view name, std::string text) {
    cure_.damaged = true;
    if (wrong_ == kMaxTableRepairs) return nullptr;
    auto& flaw = add_flaw(plan_, name, fmt::format("table entry {}", index), entry_offset(index),
                          std::move(text));
    if (++wrong_ == kMaxTableRepairs) {
      flaw.cure = Cure::kNone;
      flaw.advice =
          "so many entries are wrong that this is no table; restore the image from a good copy";
    }
    return &flaw;
  }
  uint64_t entry_offset(uint32_t index) const {
    return cure_.image.bat_offset + index * sizeof(be32);
  }

  // Nothing is lost but a wrong entry: what was in the block is not in the file, or is another's.
  void drop(uint32_t index, std::string_view name, std::string text) {
    const be32 old = image().bat[index];
    if (old.get() == kUnusedEntry) return;
    image().bat.set(index, kUnusedEntry);
    if (entry_flaw(index, name, std::move(text)) == nullptr) return;
    const auto before = wire_bytes(old);
    const uint64_t begin = uint64_t{index} * image().block_size;
    const uint64_t end = std::min(begin + image().block_size, image().size_bytes);
    add_change(plan_, file_,
               {Stage::kTable,
                name,
                fmt::format("table entry {}", index),
                entry_offset(index),
                {before.begin(), before.end()},
                std::vector<std::byte>(4, std::byte{0xff}),
                fmt::format("sector {} becomes unused: bytes {} to {} of the disk read as {}",
                            old.get(), begin, end,
                            image().type == ImageType::kDifferencing ? "the parent's" : "zeroes")});
  }

  // Makes the last block whole if it is cut short, and finds where everything ends.
  void find_end() {
    for (const Extent& one : cure_.metadata)
      cure_.data_end = std::max(cure_.data_end, one.offset + one.length);
    cure_.data_end = std::max(cure_.data_end, image().data_end);  // what locators keep free
    for (uint32_t i = 0; i < image().bat.size(); ++i) {
      if (image().bat[i] == kUnusedEntry) continue;
      const uint64_t end = image().bat[i] * kSector + block_bytes_;
      cure_.data_end = std::max(cure_.data_end, end);
      if (end <= limit_) continue;
      entry_flaw(i, "block-truncated",
                 fmt::format("is sector {}: the last {} bytes of its block are not in the file; "
                             "they are lost",
                             image().bat[i], end - limit_));
    }
    cure_.data_end = align_up(cure_.data_end, kSector);
  }

  // Any byte of it may be the wrong one, so all that can be checked has to be right.
  void judge_resealed() {
    const uint32_t entries = image().header.max_table_entries;
    if (!cure_.damaged && (entries == count_ || entries == count_ + 1)) return;
    for (Flaw& flaw : plan_.flaws) {
      if (flaw.name != "header-checksum") continue;
      flaw.cure = Cure::kNone;
      flaw.advice =
          "its fields do not fit the rest of the file; restore the image from a good copy";
    }
  }

  const FileView& file_;
  const OpenPolicy& policy_;
  const RepairChoices& choices_;
  RepairPlan& plan_;
  TableCure cure_;
  uint64_t limit_ = 0;  // where the file's data ends
  uint64_t block_bytes_ = 0;
  uint64_t count_ = 0;
  uint64_t table_bytes_ = 0;
  size_t wrong_ = 0;
  bool resealed_ = false;
};

}  // namespace

Result<std::optional<TableCure>> cure_table(const FileView& file, const FooterCure& footers,
                                            const OpenPolicy& policy, const RepairChoices& choices,
                                            RepairPlan& plan) {
  return TableRepair(file, footers, policy, choices, plan).run();
}

}  // namespace viridian::vhd
