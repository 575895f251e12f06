// vhdtool resize: another size for the disk in an image, in place.
#include "vhd/resize.h"

#include "vhd/tool/json.h"
#include "vhd/tool/last_in_use.h"
#include "vhd/tool/rewrite_commands.h"
#include "vhd/tool/rewrite_target.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

Result<void> refuse_to_lose(const ResizeCommand& command, const RewriteTarget& target) {
  const auto end = end_of_use(*target.reactor, command.path, command.policy, command.size_bytes);
  if (!end) return Unexpected(end.error());
  if (*end == 0) return {};
  return fail(
      ErrorKind::kInvalidArgument,
      "{}: size: {} bytes would cut off data, the disk is in use up to byte {} ({}); shrink "
      "its partitions and file systems first, or lose what is behind with --shrink",
      command.path, command.size_bytes, *end - 1, size_text(*end));
}

void print_result(const ResizeCommand& command, const RewriteTarget& target,
                  const ResizeResult& result) {
  const auto file_bytes = target.file->size();
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"path", command.path},
               {"type", to_string(target.image.type)},
               {"old_size_bytes", result.old_size_bytes},
               {"size_bytes", command.size_bytes},
               {"moved_bytes", result.moved_bytes},
               {"file_size_bytes", file_bytes.value_or(0)}});
    return;
  }
  fmt::print("{}: {}, was {}; moved {}\n", command.path, size_text(command.size_bytes),
             size_text(result.old_size_bytes), size_text(result.moved_bytes));
}

}  // namespace

Result<void> run_resize(const ResizeCommand& command) {
  auto target = open_for_rewriting(command.path, command.policy);
  if (!target) return Unexpected(std::move(target).error());
  const Image& image = target->image;
  if (!command.force) {
    VIRIDIAN_TRY(refuse_if_parent(command.path,
                                  "Hyper-V takes no chain whose sizes differ; resize the child"));
  }
  if (command.size_bytes < image.size_bytes && !command.shrink) {
    VIRIDIAN_TRY(refuse_to_lose(command, *target));
  }
  Meter meter;
  const auto result = resize_image(*target->file, image, command.size_bytes, meter.go_on());
  if (!result) return Unexpected(result.error());
  print_result(command, *target, *result);
  return {};
}

}  // namespace viridian::vhd::tool
