#include "vhd/tool/open_source.h"

#include <unistd.h>

#include <array>
#include <cstring>

#include "vhd/tool/nbd_source.h"
#include "vhd/tool/pipe_source.h"

namespace viridian::vhd::tool {

namespace {

struct Beginning {
  std::string_view bytes;
  const char* format;
};
constexpr Beginning kBeginnings[] = {{{"QFI\xfb", 4}, "qcow2"}, {"KDMV", "vmdk"},
                                     {"vhdxfile", "vhdx"},      {"# Disk DescriptorFile", "vmdk"},
                                     {"<<< Oracle VM", "vdi"},  {"QED", "qed"}};

// A disk's first bytes are its guest's, so they decide nothing; but a person may have forgotten.
void note_format(const ImageSource& source, const std::string& name) {
  std::array<std::byte, 512> bytes{};
  if (source.image().type != ImageType::kRaw || !source.read_at(0, bytes)) return;
  for (const Beginning& one : kBeginnings) {
    if (std::memcmp(bytes.data(), one.bytes.data(), one.bytes.size()) != 0) continue;
    fmt::print(stderr,
               "note: {}: begins as {} does, and is read as a raw disk; --from {} reads it as "
               "that, --format raw keeps this note away\n",
               name, one.format, one.format);
  }
}

}  // namespace

Result<OpenedSource> open_source(const SourceOptions& options) {
  OpenedSource source;
  const bool pipe = options.name == "-";
  const bool uri = is_nbd_uri(options.name);
  if (!options.from.empty() && (pipe || uri)) {
    return fail(ErrorKind::kInvalidArgument, "{}: --from is for files, which qemu-nbd can open",
                pipe ? "standard input" : options.name);
  }
  if (pipe) {
    const uint64_t size = options.pipe_bytes;
    source.disk = std::make_unique<PipeSource>(STDIN_FILENO, "standard input",
                                               size != 0 ? std::optional(size) : std::nullopt);
    return source;
  }
  const bool by_name = options.from.empty() && options.policy.format == Format::kAuto;
  const std::string format = by_name ? foreign_format(options.name) : options.from;
  if (uri || !format.empty()) {
    auto disk = uri ? open_nbd(options.name, {})
                    : open_foreign(options.name, format, options.policy.allow_parent_outside,
                                   options.direct);
    if (!disk) return Unexpected(std::move(disk).error());
    source.disk = std::move(*disk);
    return source;
  }
  auto image = ImageSource::open(options.name, options.policy, options.direct);
  if (!image) return Unexpected(std::move(image).error());
  if (options.policy.format == Format::kAuto) note_format(**image, options.name);
  source.image = image->get();
  source.disk = std::move(*image);
  return source;
}

}  // namespace viridian::vhd::tool
