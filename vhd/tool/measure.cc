// vhdtool measure: how large a new image will be, to the byte. Reads the source once, since blocks
// of zeroes take no space.
#include <algorithm>

#include "vhd/tool/commands.h"
#include "vhd/tool/copy.h"
#include "vhd/tool/dynamic_target.h"
#include "vhd/tool/json.h"
#include "vhd/tool/open_source.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

// Places what a conversion would write, and writes nothing.
class Measured final : public DiskTarget {
 public:
  explicit Measured(const CreateOptions& options) : image_(FileSink::nowhere(), options) {}

  Result<void> place(const Run& run) override { return image_.place(run); }
  Result<void> write(const Run&) override { return {}; }
  Result<void> finish(uint64_t) override { return {}; }
  uint64_t file_size_bytes() const override { return image_.size_with_footer(); }

 private:
  DynamicTarget image_;
};

class NotPlaced final : public DiskTarget {
 public:
  Result<void> place(const Run&) override { return {}; }
  Result<void> write(const Run&) override { return {}; }
  Result<void> finish(uint64_t) override { return {}; }
  uint64_t file_size_bytes() const override { return 0; }
};

struct Sizes {
  uint64_t disk_bytes = 0;
  uint64_t required_bytes = 0;  // the new file's size
  uint64_t full_bytes = 0;      // if every block of it were written
  uint64_t data_bytes = 0;      // what would be written of the disk
};

uint64_t full_dynamic_size(const CreateOptions& options) {
  const NewSparse image = new_dynamic(options);
  const uint64_t blocks = image.header.max_table_entries;
  const uint64_t first = image.next_data(image.metadata_end);
  const uint64_t stride = image.next_data(first + options.block_size) - first;
  const uint64_t end = first + (blocks - 1) * stride + options.block_size;
  return image.footer_offset(end) + sizeof(Footer);
}

Result<Sizes> measure(const MeasureCommand& command, DiskSource* source) {
  CreateOptions options = command.options;
  const auto size =
      size_for(options.compat, source != nullptr ? *source->size_bytes() : options.size_bytes);
  if (!size) return Unexpected(size.error());
  options.size_bytes = *size;
  const bool dynamic = command.type == ImageType::kDynamic;
  VIRIDIAN_TRY(
      check_options(command.source.empty() ? "the new image" : command.source, options, dynamic));
  Sizes sizes;
  sizes.disk_bytes = *size;
  std::unique_ptr<DiskTarget> target;
  if (dynamic) {
    target = std::make_unique<Measured>(options);
  } else {
    target = std::make_unique<NotPlaced>();
  }
  if (source != nullptr) {
    Progress progress(*source->size_bytes());
    // Nothing is written, so two do not wait for each other.
    const auto copied = copy_disk(*source, *target, progress, std::max(2u, source->threads()));
    if (!copied) return Unexpected(copied.error());
    sizes.data_bytes = copied->written_bytes;
  }
  const uint64_t footer = command.type == ImageType::kFixed ? sizeof(Footer) : 0;
  sizes.required_bytes = dynamic ? target->file_size_bytes() : *size + footer;
  sizes.full_bytes = dynamic ? full_dynamic_size(options) : *size + footer;
  return sizes;
}

}  // namespace

Result<void> run_measure(const MeasureCommand& command) {
  std::unique_ptr<DiskSource> source;
  if (command.source == "-") {
    return fail(ErrorKind::kInvalidArgument, "standard input: can be read once only; name a file");
  }
  if (!command.source.empty()) {
    auto opened =
        open_source({.name = command.source, .from = command.from, .policy = command.policy});
    if (!opened) return Unexpected(std::move(opened).error());
    source = std::move(opened->disk);
  }
  const auto sizes = measure(command, source.get());
  if (!sizes) return Unexpected(sizes.error());
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"type", to_string(command.type)},
               {"size_bytes", sizes->disk_bytes},
               {"required_bytes", sizes->required_bytes},
               {"fully_allocated_bytes", sizes->full_bytes},
               {"data_bytes", sizes->data_bytes}});
    return {};
  }
  fmt::print("required size: {} bytes ({})\n", sizes->required_bytes,
             size_text(sizes->required_bytes));
  fmt::print("fully allocated size: {} bytes ({})\n", sizes->full_bytes,
             size_text(sizes->full_bytes));
  return {};
}

}  // namespace viridian::vhd::tool
