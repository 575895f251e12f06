#include "vhd/tool/map_command.h"

#include <cstdio>
#include <filesystem>
#include <optional>

#include "vhd/control_io.h"
#include "vhd/temp_file.h"
#include "vhd/text.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"
#include "vhd/tool/map_picture.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr size_t kSvgCells = 1000;
constexpr size_t kOutputBytes = 1 << 16;

// Gathers text for standard output, so that a long list costs neither calls nor memory.
class Output {
 public:
  ~Output() { flush(); }
  void add(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kOutputBytes) flush();
  }
  template <class... Args>
  void format(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(buffer_), text, std::forward<Args>(args)...);
    if (buffer_.size() >= kOutputBytes) flush();
  }
  void flush() {
    std::fwrite(buffer_.data(), 1, buffer_.size(), stdout);
    buffer_.clear();
  }

 private:
  std::string buffer_;
};

std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<ChainLink> without_parents(ChainLink link) {
  std::vector<ChainLink> chain;
  chain.push_back(std::move(link));
  return chain;
}

Result<std::vector<ChainLink>> open(const MapCommand& command) {
  if (!command.alone) return open_chain(command.path, Access::kReadOnly, command.policy);
  auto link = open_image(command.path, Access::kReadOnly, command.policy);
  if (!link) return Unexpected(std::move(link).error());
  return without_parents(std::move(*link));
}

std::vector<std::string> labels_of(const std::vector<ChainLink>& chain) {
  std::vector<std::string> labels;
  for (const ChainLink& link : chain) {
    const std::string quoted = quote(std::filesystem::path(link.path).filename().string());
    labels.push_back(quoted.substr(1, quoted.size() - 2));
  }
  return labels;
}

// One object, written as it comes: a list of a million extents is not kept.
Result<void> print_json(const MapCommand& command, const std::vector<ChainLink>& chain,
                        const MapSink& also) {
  Output out;
  out.format("{{\n  \"schema\": {},\n  \"path\": {},\n  \"size_bytes\": {},\n", kJsonSchema,
             json_text(command.path), chain.front().image.size_bytes);
  out.format("  \"granularity\": \"{}\",\n  \"layers\": [",
             command.options.sectors ? "sector" : "block");
  const char* separator = "";
  std::vector<std::string> paths;
  for (const ChainLink& link : chain) {
    paths.push_back(json_text(link.path));
    out.format("{}\n    {{\"path\": {}, \"type\": \"{}\"}}", separator, paths.back(),
               to_string(link.image.type));
    separator = ",";
  }
  out.add("\n  ],\n  \"extents\": [");
  separator = "";
  auto mapped = map_chain(chain, command.options, [&](const MapExtent& one) {
    also(one);
    const bool present = one.layer != kNoLayer;
    out.format("{}\n    {{\"start\": {}, \"length\": {}, \"present\": {}, \"zero\": {}", separator,
               one.start, one.length, present, one.zero);
    if (present) {
      out.format(", \"layer\": {}, \"path\": {}, \"offset\": {}, \"pieces\": {}", one.layer,
                 paths[one.layer], one.offset, one.pieces);
    }
    out.add("}");
    separator = ",";
  });
  out.add("\n  ]\n}\n");
  return mapped;
}

Result<void> print_list(const MapCommand& command, const std::vector<ChainLink>& chain,
                        const std::vector<std::string>& labels, const MapSink& also) {
  Output out;
  out.format("{:>16} {:>16} {:>16}  {}\n", "start", "length", "offset", "from");
  return map_chain(chain, command.options, [&](const MapExtent& one) {
    also(one);
    if (one.layer == kNoLayer) {
      out.format("{:#16x} {:#16x} {:>16}  zeroes\n", one.start, one.length, "-");
      return;
    }
    out.format("{:#16x} {:#16x} {:#16x}  {}{}{}\n", one.start, one.length, one.offset,
               labels[one.layer], one.zero ? ", a hole" : "",
               one.pieces > 1 ? fmt::format(", in {} pieces", one.pieces) : "");
  });
}

Result<void> write_svg(const std::string& path, const std::string& text) {
  auto temp = TempFile::create(path, true);
  if (!temp) return Unexpected(std::move(temp).error());
  FileView file;
  file.fd = temp->fd();
  file.name = path;
  VIRIDIAN_TRY(write_exact(file, 0, std::as_bytes(std::span(text)), "picture"));
  return temp->complete();
}

}  // namespace

Result<void> run_map(const MapCommand& command) {
  const auto chain = open(command);
  if (!chain) return Unexpected(chain.error());
  const auto labels = labels_of(*chain);
  const uint64_t size = chain->front().image.size_bytes;
  std::optional<MapPicture> svg;
  if (!command.svg.empty()) svg.emplace(size, chain->size(), kSvgCells);
  const MapSink into_svg = [&](const MapExtent& one) {
    if (svg) svg->add(one);
  };
  if (command.json) {
    VIRIDIAN_TRY(print_json(command, *chain, into_svg));
  } else if (command.list) {
    VIRIDIAN_TRY(print_list(command, *chain, labels, into_svg));
  } else {
    const size_t columns = terminal_columns();
    MapPicture picture(size, chain->size(), text_cells(labels, columns));
    VIRIDIAN_TRY(map_chain(*chain, command.options, [&](const MapExtent& one) {
      into_svg(one);
      picture.add(one);
    }));
    fmt::print("{}", text_picture(picture, labels, columns));
    const bool any_child = chain->front().image.type == ImageType::kDifferencing;
    if (any_child && !command.options.sectors) {
      fmt::print("whole blocks, as far as a child has a part of them; --sectors looks closer\n");
    }
  }
  if (svg) return write_svg(command.svg, svg_picture(*svg, labels));
  return {};
}

}  // namespace viridian::vhd::tool
