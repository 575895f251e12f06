#include "vhd/tool/open_source.h"

#include <unistd.h>

#include "vhd/tool/pipe_source.h"

namespace viridian::vhd::tool {

Result<OpenedSource> open_source(const ConvertCommand& command) {
  OpenedSource source;
  if (command.source == "-") {
    const uint64_t size = command.options.size_bytes;
    source.disk = std::make_unique<PipeSource>(STDIN_FILENO, "standard input",
                                               size != 0 ? std::optional(size) : std::nullopt);
    return source;
  }
  auto image = ImageSource::open(command.source, command.policy, command.direct);
  if (!image) return Unexpected(std::move(image).error());
  source.image = image->get();
  source.disk = std::move(*image);
  return source;
}

}  // namespace viridian::vhd::tool
