// vhdtool convert: the disk that an image and its parents make, as one new image.
#include <chrono>

#include "vhd/temp_file.h"
#include "vhd/tool/clone.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/copy.h"
#include "vhd/tool/dynamic_target.h"
#include "vhd/tool/flat_target.h"
#include "vhd/tool/image_source.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

struct Converted {
  CopyResult copied;
  uint64_t size_bytes = 0;  // of the disk
  uint64_t file_size_bytes = 0;
  uint64_t cloned_bytes = 0;
};

Result<std::unique_ptr<DiskTarget>> make_target(const TempFile& temp, const ConvertCommand& command,
                                                const CreateOptions& options) {
  FileSink sink(temp.fd(), command.target, command.direct, command.sync);
  if (command.type == ImageType::kDynamic) {
    VIRIDIAN_TRY(check_options(command.target, options, true));
    return std::make_unique<DynamicTarget>(std::move(sink), options);
  }
  const bool fixed = command.type == ImageType::kFixed;
  if (fixed) VIRIDIAN_TRY(check_options(command.target, options, false));
  return std::make_unique<FlatTarget>(std::move(sink),
                                      fixed ? std::optional(options.compat) : std::nullopt);
}

bool is_flat(ImageType type) { return type == ImageType::kRaw || type == ImageType::kFixed; }

Result<Converted> convert(const ConvertCommand& command, ImageSource& source,
                          const TempFile& temp) {
  Converted result;
  CreateOptions options = command.options;
  const auto size = size_for(options.compat, *source.size_bytes());
  if (!size) return with_context(command.target, size.error());
  result.size_bytes = options.size_bytes = *size;
  auto target = make_target(temp, command, options);
  if (!target) return Unexpected(std::move(target).error());
  if (is_flat(command.type) && is_flat(source.image().type)) {
    result.cloned_bytes = clone_start(source.fd(), temp.fd(), *source.size_bytes());
    source.limit_to(result.cloned_bytes, *source.size_bytes() - result.cloned_bytes);
  }
  {
    Progress progress(*source.size_bytes());
    auto copied = copy_disk(source, **target, progress);
    if (!copied) return Unexpected(std::move(copied).error());
    result.copied = *copied;
  }
  VIRIDIAN_TRY((*target)->finish(options.size_bytes));
  result.file_size_bytes = (*target)->file_size_bytes();
  return result;
}

void print_result(const ConvertCommand& command, const Converted& result, double seconds) {
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"source", command.source},
               {"target", command.target},
               {"type", to_string(command.type)},
               {"size_bytes", result.size_bytes},
               {"file_size_bytes", result.file_size_bytes},
               {"read_bytes", result.copied.read_bytes},
               {"written_bytes", result.copied.written_bytes},
               {"cloned_bytes", result.cloned_bytes},
               {"seconds", seconds}});
    return;
  }
  fmt::print("{}: {}, {}; read {}, wrote {} in {:.1f} s\n", command.target, to_string(command.type),
             size_text(result.size_bytes), size_text(result.copied.read_bytes),
             size_text(result.copied.written_bytes), seconds);
}

}  // namespace

Result<void> run_convert(const ConvertCommand& command) {
  const auto start = std::chrono::steady_clock::now();
  auto source = ImageSource::open(command.source, command.policy, command.direct);
  if (!source) return Unexpected(std::move(source).error());
  if (command.options.replace) VIRIDIAN_TRY(refuse_if_in_use(command.target));
  auto temp = TempFile::create(command.target, command.options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  const auto result = convert(command, **source, *temp);
  if (!result) return Unexpected(result.error());
  VIRIDIAN_TRY(temp->complete(command.sync ? Durability::kDurable : Durability::kNone));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  print_result(command, *result, seconds.count());
  return {};
}

}  // namespace viridian::vhd::tool
