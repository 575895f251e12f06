// vhdtool create and snapshot.
#include <fcntl.h>

#include <cerrno>

#include "io/unique_fd.h"
#include "vhd/control_io.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

Result<void> create(const CreateCommand& command) {
  CreateOptions options = command.options;
  options.durability = command.sync ? Durability::kDurable : Durability::kOrdered;
  if (!command.parent.empty()) {
    return create_differencing(command.path, command.parent, options, command.policy);
  }
  const auto size = size_for(options.compat, options.size_bytes);
  if (!size) return with_context(command.path, size.error());
  options.size_bytes = *size;
  if (command.type == ImageType::kFixed) return create_fixed(command.path, options);
  return create_dynamic(command.path, options);
}

// The new image's footer alone: reading a large table back would take longer than writing it.
Result<Footer> footer_of(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path, errno);
  const auto file = view_file(fd.get(), path);
  if (!file) return Unexpected(file.error());
  return read_struct<Footer>(*file, file->size_bytes - sizeof(Footer), "footer");
}

}  // namespace

Result<void> run_create(const CreateCommand& command) {
  if (command.options.replace) VIRIDIAN_TRY(refuse_if_in_use(command.path));
  // A parent that changes under its child makes the child worthless.
  if (!command.parent.empty()) VIRIDIAN_TRY(refuse_if_written(command.parent));
  VIRIDIAN_TRY(create(command));
  const auto footer = footer_of(command.path);
  if (!footer) return Unexpected(footer.error());
  const ImageType type = command.parent.empty() ? command.type : ImageType::kDifferencing;
  const uint64_t size_bytes = footer->current_size;
  if (command.json) {
    Json json = {{"schema", kJsonSchema},
                 {"path", command.path},
                 {"type", to_string(type)},
                 {"size_bytes", size_bytes},
                 {"unique_id", id_text(footer->unique_id)}};
    if (!command.parent.empty()) json["parent"] = command.parent;
    print(json);
    return {};
  }
  fmt::print("{}: {}, {} ({} bytes)\n", command.path, to_string(type), size_text(size_bytes),
             size_bytes);
  return {};
}

}  // namespace viridian::vhd::tool
