// vhdtool create and snapshot.
#include "vhd/chain.h"
#include "vhd/text.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

Result<void> create(const CreateCommand& command) {
  if (!command.parent.empty()) {
    return create_differencing(command.path, command.parent, command.options, command.policy);
  }
  if (command.type == ImageType::kFixed) return create_fixed(command.path, command.options);
  return create_dynamic(command.path, command.options);
}

}  // namespace

Result<void> run_create(const CreateCommand& command) {
  if (command.options.replace) VIRIDIAN_TRY(refuse_if_in_use(command.path));
  // A parent that changes under its child makes the child worthless.
  if (!command.parent.empty()) VIRIDIAN_TRY(refuse_if_written(command.parent));
  VIRIDIAN_TRY(create(command));
  OpenPolicy policy;
  policy.format = Format::kVhd;
  const auto made = open_image(command.path, Access::kReadOnly, policy);
  if (!made) return Unexpected(made.error());
  if (command.json) {
    Json json = {{"schema", kJsonSchema},
                 {"path", command.path},
                 {"type", to_string(made->image.type)},
                 {"size_bytes", made->image.size_bytes},
                 {"unique_id", id_text(made->image.unique_id)}};
    if (!command.parent.empty()) json["parent"] = command.parent;
    print(json);
    return {};
  }
  fmt::print("{}: {}, {} ({} bytes)\n", command.path, to_string(made->image.type),
             size_text(made->image.size_bytes), made->image.size_bytes);
  return {};
}

}  // namespace viridian::vhd::tool
