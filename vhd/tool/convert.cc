// vhdtool convert: the disk that an image and its parents make, as one new image.
#include <unistd.h>

#include <chrono>

#include "vhd/temp_file.h"
#include "vhd/tool/clone.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/copy.h"
#include "vhd/tool/dynamic_target.h"
#include "vhd/tool/flat_target.h"
#include "vhd/tool/in_place.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"
#include "vhd/tool/open_source.h"
#include "vhd/tool/size_text.h"
#include "vhd/tool/stream_target.h"

namespace viridian::vhd::tool {
namespace {

struct Converted {
  CopyResult copied;
  uint64_t size_bytes = 0;  // of the disk
  uint64_t file_size_bytes = 0;
  uint64_t cloned_bytes = 0;
};

constexpr std::string_view kPipe = "-";

// The new file, or nothing if it is a pipe.
using NewFile = std::optional<TempFile>;

Result<std::unique_ptr<DiskTarget>> make_target(const NewFile& file, const ConvertCommand& command,
                                                const CreateOptions& options, bool size_known) {
  const bool dynamic = command.type == ImageType::kDynamic;
  if (dynamic && !file) {
    return fail(ErrorKind::kInvalidArgument,
                "standard output: type: a dynamic image's table comes before what it names; add "
                "--to fixed or --to raw, or name a file");
  }
  if (dynamic && !size_known) {
    return fail(ErrorKind::kInvalidArgument,
                "standard input: size: a dynamic image needs it from the start; add --size");
  }
  if (command.type != ImageType::kRaw && size_known) {
    VIRIDIAN_TRY(check_options(command.target, options, dynamic));
  }
  std::optional<Compat> compat;
  if (command.type == ImageType::kFixed) compat = options.compat;
  if (!file) return std::make_unique<StreamTarget>(STDOUT_FILENO, "standard output", compat);
  FileSink sink(file->fd(), command.target, command.direct, command.sync);
  if (dynamic) return std::make_unique<DynamicTarget>(std::move(sink), options);
  return std::make_unique<FlatTarget>(std::move(sink), compat);
}

bool is_flat(ImageType type) { return type == ImageType::kRaw || type == ImageType::kFixed; }

// What the two files can share is not copied. Returns how much that is.
uint64_t share(const ConvertCommand& command, const OpenedSource& source, const NewFile& file) {
  if (source.image == nullptr || !file || !is_flat(command.type)) return 0;
  if (!is_flat(source.image->image().type)) return 0;
  const uint64_t size = source.image->image().size_bytes;
  const uint64_t shared = clone_start(source.image->fd(), file->fd(), size);
  if (shared > 0) source.image->limit_to(shared, size - shared);
  return shared;
}

Result<Converted> convert(const ConvertCommand& command, const OpenedSource& source,
                          const NewFile& file) {
  Converted result;
  CreateOptions options = command.options;
  const auto source_size = source.disk->size_bytes();
  const auto size = size_for(options.compat, source_size.value_or(0));
  if (!size) return with_context(command.target, size.error());
  options.size_bytes = *size;
  auto target = make_target(file, command, options, source_size.has_value());
  if (!target) return Unexpected(std::move(target).error());
  result.cloned_bytes = share(command, source, file);
  {
    Progress progress(source_size.value_or(0));
    auto copied = copy_disk(*source.disk, **target, progress);
    if (!copied) return Unexpected(std::move(copied).error());
    result.copied = *copied;
  }
  if (!source_size) {  // now it is known
    const auto learned = size_for(options.compat, result.copied.end_bytes);
    if (!learned) return with_context(command.target, learned.error());
    options.size_bytes = *learned;
    VIRIDIAN_TRY(check_options(command.target, options, false));
  }
  VIRIDIAN_TRY((*target)->finish(options.size_bytes));
  result.size_bytes = options.size_bytes;
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
               {"seconds", seconds}},
          command.target == kPipe ? stderr : stdout);
    return;
  }
  if (command.target == kPipe) return;
  fmt::print("{}: {}, {}; read {}, wrote {} in {:.1f} s\n", command.target, to_string(command.type),
             size_text(result.size_bytes), size_text(result.copied.read_bytes),
             size_text(result.copied.written_bytes), seconds);
}

}  // namespace

Result<void> run_convert(const ConvertCommand& command) {
  if (command.in_place) return convert_in_place(command);
  const auto start = std::chrono::steady_clock::now();
  auto source = open_source({.name = command.source,
                             .from = command.from,
                             .policy = command.policy,
                             .direct = command.direct,
                             .pipe_bytes = command.options.size_bytes});
  if (!source) return Unexpected(std::move(source).error());
  NewFile file;
  if (command.target != kPipe) {
    if (command.options.replace) VIRIDIAN_TRY(refuse_if_in_use(command.target));
    auto temp = TempFile::create(command.target, command.options.replace);
    if (!temp) return Unexpected(std::move(temp).error());
    file.emplace(std::move(*temp));
  }
  const auto result = convert(command, *source, file);
  if (!result) return Unexpected(result.error());
  if (file) {
    VIRIDIAN_TRY(file->complete(command.sync ? Durability::kDurable : Durability::kNone));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  print_result(command, *result, seconds.count());
  return {};
}

}  // namespace viridian::vhd::tool
