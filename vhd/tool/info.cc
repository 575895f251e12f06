// vhdtool info: what an image says of itself. The parents need not be there unless asked for.
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "vhd/chain.h"
#include "vhd/limits.h"
#include "vhd/locators.h"
#include "vhd/parent_paths.h"
#include "vhd/text.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

std::string tag_text(const Tag& tag) {
  std::string text(tag.begin(), tag.end());
  while (!text.empty() && (text.back() == '\0' || text.back() == ' '))
    text.pop_back();
  return text;
}

std::string time_text(uint32_t time_stamp) {
  const std::time_t seconds = static_cast<std::time_t>(time_stamp) + kEpochUnixSeconds;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

uint64_t allocated_blocks(const Image& image) { return image.bat.count_used(); }

uint64_t disk_bytes(const ChainLink& link) {
  struct stat status {};
  return ::fstat(link.fd.get(), &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
}

bool is_sparse(const Image& image) {
  return image.type == ImageType::kDynamic || image.type == ImageType::kDifferencing;
}

std::string hex_text(uint32_t value) { return fmt::format("{:#010x}", value); }

Json footer_json(const Footer& footer) {
  return {{"creator",
           {{"application", tag_text(footer.creator_application)},
            {"version", fmt::format("{:#010x}", footer.creator_version.get())},
            {"host_os", tag_text(footer.creator_host_os)}}},
          {"created", time_text(footer.time_stamp)},
          {"geometry",
           {{"cylinders", footer.geometry.cylinders.get()},
            {"heads", footer.geometry.heads},
            {"sectors_per_track", footer.geometry.sectors_per_track}}},
          {"current_size_bytes", footer.current_size.get()},
          {"original_size_bytes", footer.original_size.get()},
          {"saved_state", footer.saved_state != 0},
          {"hidden", footer.reserved[0] != 0},  // Xen's flag
          {"features", hex_text(footer.features)},
          {"format_version", hex_text(footer.file_format_version)},
          {"header_offset",
           footer.data_offset.get() == kNoOffset ? Json() : Json(footer.data_offset.get())},
          {"footer_checksum", hex_text(footer.checksum)}};
}

// The largest power of two, up to a page, at whose multiples the data of all blocks is.
uint64_t data_alignment(const Image& image) {
  uint64_t all = kDataAlignment;
  for (const uint32_t sector : image.bat) {
    if (sector != kUnusedEntry) all |= sector * uint64_t{512} + image.bitmap_bytes;
  }
  return all & (~all + 1);
}

Json header_json(const Image& image) {
  const SparseHeader& header = image.header;
  Json json = {{"table_offset", image.bat_offset},
               {"table_entries", header.max_table_entries.get()},
               {"version", hex_text(header.header_version)},
               {"checksum", hex_text(header.checksum)},
               {"bitmap_bytes", image.bitmap_bytes},
               {"data_alignment_bytes", data_alignment(image)},
               {"data_end", image.data_end},
               {"batmap", nullptr}};
  if (image.batmap) {
    json["batmap"] = {{"header_offset", image.batmap->header_offset},
                      {"map_offset", image.batmap->map_offset},
                      {"map_bytes", image.batmap->map_bytes},
                      {"encrypted", image.batmap->encrypted}};
  }
  return json;
}

// Where the names of the parent lead on this host. Nothing is opened.
Json candidates_json(const ChainLink& link, const OpenPolicy& policy) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(link.path).parent_path();
  Json list = Json::array();
  for (const ParentCandidate& one : parent_candidates(link.image, policy)) {
    const fs::path path = (folder / one.path).lexically_normal();
    std::error_code error;
    const bool exists = fs::is_regular_file(fs::status(path, error));
    list.push_back({{"source", one.source}, {"path", path.string()}, {"exists", exists}});
  }
  return list;
}

Json parent_json(const ChainLink& link, const OpenPolicy& policy) {
  const Image& image = link.image;
  Json locators = Json::array();
  for (const Locator& one : image.locators) {
    locators.push_back({{"code", locator_name(one.platform_code)},
                        {"path", one.path},
                        {"offset", one.offset},
                        {"length", one.length}});
  }
  return {{"name", image.parent_name},
          {"unique_id", id_text(image.parent_unique_id)},
          {"modified", time_text(image.parent_time_stamp)},
          {"locators", locators},
          {"candidates", candidates_json(link, policy)}};
}

Json image_json(const ChainLink& link, const OpenPolicy& policy) {
  const Image& image = link.image;
  Json json = {{"path", link.path},
               {"type", to_string(image.type)},
               {"size_bytes", image.size_bytes},
               {"file_size_bytes", image.file_size_bytes},
               {"disk_usage_bytes", disk_bytes(link)}};
  if (image.type != ImageType::kRaw) {
    json["unique_id"] = id_text(image.unique_id);
    json.update(footer_json(image.footer));
    json["footer_offset"] = image.footer_offset;
    json["footers_damaged"] = image.footers_damaged;
  }
  if (is_sparse(image)) {
    json["block_size_bytes"] = image.block_size;
    json["blocks"] = image.bat.size();
    json["allocated_blocks"] = allocated_blocks(image);
    json["header"] = header_json(image);
  }
  if (image.type == ImageType::kDifferencing) json["parent"] = parent_json(link, policy);
  json["read_only"] = image.read_only;
  json["warnings"] = image.warnings;
  return json;
}

void print_line(std::string_view label, const std::string& text) {
  fmt::print("{:<14}{}\n", label, text);
}

void print_parent(const Image& image) {
  print_line("parent", quote(image.parent_name) + ", id " + id_text(image.parent_unique_id));
  for (const Locator& one : image.locators) {
    print_line("", fmt::format("{} {}", locator_name(one.platform_code), quote(one.path)));
  }
  if (image.parent_time_stamp != 0) print_line("", "changed " + time_text(image.parent_time_stamp));
}

void print_text(const ChainLink& link) {
  const Image& image = link.image;
  print_line("image", quote(link.path));
  print_line("type", std::string(to_string(image.type)));
  print_line("size", fmt::format("{} ({} bytes)", size_text(image.size_bytes), image.size_bytes));
  print_line("file", fmt::format("{}, {} on disk", size_text(image.file_size_bytes),
                                 size_text(disk_bytes(link))));
  if (is_sparse(image)) {
    print_line("blocks", fmt::format("{} of {} allocated, {} each", allocated_blocks(image),
                                     image.bat.size(), size_text(image.block_size)));
    print_line("layout",
               fmt::format("table at {:#x}, data on multiples of {} bytes{}", image.bat_offset,
                           data_alignment(image), image.batmap ? ", with Xen's block map" : ""));
  }
  if (image.type != ImageType::kRaw) {
    const Footer& footer = image.footer;
    print_line("created", fmt::format("{} by {} on {}", time_text(footer.time_stamp),
                                      quote(tag_text(footer.creator_application)),
                                      quote(tag_text(footer.creator_host_os))));
    print_line("id", id_text(image.unique_id));
    print_line("geometry",
               fmt::format("{} cylinders, {} heads, {} sectors", footer.geometry.cylinders.get(),
                           footer.geometry.heads, footer.geometry.sectors_per_track));
    if (footer.original_size != footer.current_size) {
      print_line("made with", fmt::format("{} bytes", footer.original_size.get()));
    }
    if (footer.reserved[0] != 0) print_line("hidden", "by Xen's tools");
  }
  if (image.type == ImageType::kDifferencing) print_parent(image);
  for (const std::string& warning : image.warnings)
    print_line("warning", warning);
}

}  // namespace

Result<void> run_info(const InfoCommand& command) {
  std::vector<ChainLink> links;
  if (command.chain) {
    auto chain = open_chain(command.path, Access::kReadOnly, command.policy);
    if (!chain) return Unexpected(std::move(chain).error());
    links = std::move(*chain);
  } else {
    auto link = open_image(command.path, Access::kReadOnly, command.policy);
    if (!link) return Unexpected(std::move(link).error());
    links.push_back(std::move(*link));
  }
  if (command.json) {
    Json json = {{"schema", kJsonSchema}};
    json.update(image_json(links.front(), command.policy));
    if (command.chain) {
      json["chain"] = Json::array();
      for (const ChainLink& link : links)
        json["chain"].push_back(image_json(link, command.policy));
    }
    print(json);
    return {};
  }
  for (const ChainLink& link : links) {
    if (&link != &links.front()) fmt::print("\n");
    print_text(link);
  }
  return {};
}

}  // namespace viridian::vhd::tool
