#include "tests/support/damaged_image.h"

#include <algorithm>

namespace viridian::vhd {
namespace {

constexpr uint32_t kBlocks[] = {0, 5, 6, 40};
constexpr uint64_t kBatmapAt = 2048;

void fill(ImageBytes& image, uint64_t offset, uint64_t length, std::byte value) {
  std::fill_n(image.bytes().begin() + static_cast<ptrdiff_t>(offset), length, value);
}

}  // namespace

ImageBytes::ImageBytes() : bytes_(4096 * 2 + (4096 + 512) * std::size(kBlocks)) {
  const Footer footer = make_footer(kDiskTypeDynamic, kDiskBytes, random_unique_id());
  SparseHeader header;
  header.cookie = kHeaderCookie;
  header.data_offset = kNoOffset;
  header.table_offset = kTableAt;
  header.header_version = kFormatVersion;
  header.max_table_entries = kDiskBytes / kBlockBytes;
  header.block_size = kBlockBytes;
  seal(header);
  put(0, footer);
  put(kHeaderAt, header);
  for (uint32_t i = 0; i < header.max_table_entries + 64; ++i)
    set_entry(i, kUnusedEntry);
  uint64_t at = 8192;
  for (uint32_t block : kBlocks) {
    set_entry(block, static_cast<uint32_t>(at / 512));
    fill(*this, at, 1, std::byte{0xff});  // eight sectors
    fill(*this, at + 512, 4096, static_cast<std::byte>(block + 1));
    at += 4096 + 512;
  }
  bytes_.resize(at + sizeof(Footer));
  put(at, footer);
}

void ImageBytes::add_batmap() {
  for (const uint64_t at : {uint64_t{0}, last_footer()})
    change<Footer>(at, [](Footer& footer) { footer.creator_application = {'t', 'a', 'p'}; });
  BatmapHeader header;
  header.cookie = kBatmapCookie;
  header.map_offset = kBatmapAt + 512;
  header.map_sectors = 1;
  header.version = 0x00010002;
  header.checksum = ~uint32_t{0x80};
  put(kBatmapAt, header);
  fill(*this, kBatmapAt + 512, 512, std::byte{0});
  put(kBatmapAt + 512, uint8_t{0x80});
}

namespace {

std::vector<Damage> footer_damages() {
  const auto last = [](auto&& change) {
    return [change](ImageBytes& image) { change(image, image.last_footer()); };
  };
  return {
      {"footer-missing", [](ImageBytes& i) { i.bytes().resize(i.last_footer()); }},
      {"footer-missing", last([](ImageBytes& i, uint64_t at) { fill(i, at, 512, {}); })},
      {"footer-poisoned",
       last([](ImageBytes& i, uint64_t at) { fill(i, at, 512, std::byte{0xc7}); })},
      {"footer-poisoned", last([](ImageBytes& i, uint64_t at) {
         i.put(at, Cookie{'v', '_', 'p', 'o', 'i', 's', 'o', 'n'});
       })},
      {"footer-checksum", last([](ImageBytes& i, uint64_t at) { i.put(at + 24, be32(1)); })},
      {"footer-checksum", last([](ImageBytes& i, uint64_t at) {
         i.put(at + 24, be32(1));  // in both: somebody changed a field without its checksum
         i.put(24, be32(1));
       })},
      {"footer-checksum", last([](ImageBytes& i, uint64_t at) {
         i.put(at + 85, uint8_t{1});  // Xen's hidden flag
         i.put(85, uint8_t{1});
       })},
      {"footer-short", [](ImageBytes& i) { i.bytes().resize(i.bytes().size() - 1); }},
      {"trailing-data", [](ImageBytes& i) { i.bytes().resize(i.bytes().size() + 700); }},
      {"trailing-data",
       [](ImageBytes& i) { i.bytes().resize(i.bytes().size() + 3 * 4096 + 100, std::byte{0x55}); }},
      {"footer-copy-missing", [](ImageBytes& i) { fill(i, 0, 512, {}); }},
      {"footer-copy-checksum", [](ImageBytes& i) { i.put(24, be32(1)); }},
      {"footer-copy-differs",
       [](ImageBytes& i) { i.change<Footer>(0, [](Footer& f) { f.time_stamp = 1; }); }},
      {"footer-mismatch",
       [](ImageBytes& i) { i.change<Footer>(0, [](Footer& f) { f.unique_id[0] ^= 1; }); },
       Cure::kChoice,
       {FooterChoice::kLast, {}, false}},
      {"footer-mismatch",
       [](ImageBytes& i) { i.change<Footer>(0, [](Footer& f) { f.unique_id[0] ^= 1; }); },
       Cure::kChoice,
       {FooterChoice::kCopy, {}, false}},
      {"header-change-cut",
       [](ImageBytes& i) {
         const auto header = i.get<SparseHeader>(ImageBytes::kHeaderAt);
         Footer footer = i.get<Footer>(0);
         const uint64_t at = i.bytes().size();
         i.bytes().resize(at + sizeof(header) + sizeof(footer));
         footer.data_offset = at;
         seal(footer);
         i.put(at, header);
         i.put(at + sizeof(header), footer);
       }},
      {"footer-missing",
       [](ImageBytes& i) {
         fill(i, 0, 512, {});
         i.bytes().resize(i.last_footer());
       },
       Cure::kNone},
  };
}

std::vector<Damage> table_damages() {
  const auto entry = [](uint32_t index, uint32_t sector) {
    return [=](ImageBytes& image) { image.set_entry(index, sector); };
  };
  const auto same = [](ImageBytes& image) { image.set_entry(3, image.entry(5)); };
  const auto into = [](ImageBytes& image) { image.set_entry(9, image.entry(5) + 3); };
  return {
      {"header-checksum",
       [](ImageBytes& i) { i.put(512 + offsetof(SparseHeader, parent_time_stamp), be32(1)); }},
      {"header-checksum",
       [](ImageBytes& i) { i.put(512 + offsetof(SparseHeader, block_size), be32(8192)); },
       Cure::kNone},
      {"entry-past-end", entry(2, 0x7fffffff)},
      {"entry-past-end",
       [](ImageBytes& i) { i.set_entry(2, static_cast<uint32_t>(i.last_footer() / 512)); }},
      {"entry-in-metadata", entry(2, 0)},
      {"entry-in-metadata", entry(63, 3)},
      {"entries-share-block", same, Cure::kChoice, {{}, SharedChoice::kFirst, false}, {}},
      {"entries-share-block", same, Cure::kChoice, {{}, SharedChoice::kLast, false}, {}},
      {"entries-share-block", into, Cure::kChoice, {{}, SharedChoice::kFirst, false}, {}},
      {"block-truncated", [](ImageBytes& i) { i.bytes().resize(i.last_footer() - 1500); }},
      {"block-truncated",
       [](ImageBytes& i) {
         i.bytes().resize(i.last_footer() - 1024);
         i.bytes().resize(i.bytes().size() + 512);
         i.put(i.last_footer(), i.get<Footer>(0));  // a footer in the middle of the block
       }},
      {"entry-past-end",
       [](ImageBytes& i) { i.bytes().resize(i.bytes().size() - 512 - 4608); },
       Cure::kRepair,
       {},
       {40}},
      {"batmap-stale",
       [](ImageBytes& i) {
         i.add_batmap();
         i.put(2560, be16(0xe000));
       }},
      {"batmap-checksum",
       [](ImageBytes& i) {
         i.add_batmap();
         i.put(2048 + offsetof(BatmapHeader, checksum), be32(1));
       }},
      {"metadata",
       [](ImageBytes& i) {
         i.change<SparseHeader>(512, [](SparseHeader& h) { h.header_version = 0x20000; });
       },
       Cure::kNone},
      {"metadata",
       [](ImageBytes& i) {
         i.change<SparseHeader>(512, [](SparseHeader& h) { h.table_offset = 1 << 30; });
       },
       Cure::kNone},
  };
}

}  // namespace

std::vector<Damage> damages() {
  auto all = footer_damages();
  for (Damage& one : table_damages())
    all.push_back(std::move(one));
  return all;
}

}  // namespace viridian::vhd
