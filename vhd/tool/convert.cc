// vhdtool convert: the disk that an image and its parents make, as one new image.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "vhd/chain.h"
#include "vhd/open_disk.h"
#include "vhd/temp_file.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/copy.h"
#include "vhd/tool/in_use.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

// An empty image under the temporary name.
Result<void> make_target(const TempFile& temp, ImageType type, CreateOptions options) {
  options.replace = true;  // the temporary file itself
  if (type == ImageType::kFixed) return create_fixed(temp.path(), options);
  if (type == ImageType::kDynamic) return create_dynamic(temp.path(), options);
  if (::ftruncate(temp.fd(), static_cast<off_t>(options.size_bytes)) == 0) return {};
  return fail_errno(
      fmt::format("{}: setting its size to {} bytes", temp.final_path(), options.size_bytes),
      errno);
}

struct Source {
  std::unique_ptr<io::BlockDevice> disk;
  std::vector<Range> ranges;
  uint64_t size_bytes = 0;
  io::CacheMode cache = io::CacheMode::kWriteback;
};

Result<Source> open_source(io::Reactor& reactor, const ConvertCommand& command) {
  Source source;
  source.cache = command.direct ? io::CacheMode::kNone : io::CacheMode::kWriteback;
  DiskOptions options;
  options.read_only = true;
  options.cache = source.cache;
  options.policy = command.policy;
  auto disk = open_disk(reactor, command.source, options);
  if (!disk) return Unexpected(std::move(disk).error());
  source.disk = std::move(*disk);
  // Opened once more for its map: the disk above holds the locks, so it is the same image.
  const auto chain = open_chain(command.source, Access::kReadOnly, command.policy);
  if (!chain) return Unexpected(chain.error());
  const Image& leaf = chain->front().image;
  if (leaf.type == ImageType::kRaw && leaf.size_bytes != leaf.file_size_bytes) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: size: {} bytes are no multiple of 512; fill it up with truncate -s %512",
                command.source, leaf.file_size_bytes);
  }
  source.ranges = data_ranges(*chain);
  source.size_bytes = leaf.size_bytes;
  return source;
}

Result<CopyResult> copy(io::Reactor& reactor, const ConvertCommand& command, Source& source,
                        const TempFile& temp) {
  DiskOptions options;
  options.cache = source.cache;
  options.policy.format = command.type == ImageType::kRaw ? Format::kRaw : Format::kVhd;
  auto target = open_disk(reactor, temp.path(), options);
  if (!target) return Unexpected(std::move(target).error());
  Progress progress(source.size_bytes);
  auto result = copy_disk(reactor, *source.disk, **target, source.ranges, progress);
  if (!result) return with_context(command.target, std::move(result).error());
  return result;
}

void print_result(const ConvertCommand& command, const Source& source, const CopyResult& copied,
                  double seconds) {
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"source", command.source},
               {"target", command.target},
               {"type", to_string(command.type)},
               {"size_bytes", source.size_bytes},
               {"read_bytes", copied.read_bytes},
               {"written_bytes", copied.written_bytes},
               {"seconds", seconds}});
    return;
  }
  fmt::print("{}: {}, {}; read {}, wrote {} in {:.1f} s\n", command.target, to_string(command.type),
             size_text(source.size_bytes), size_text(copied.read_bytes),
             size_text(copied.written_bytes), seconds);
}

}  // namespace

Result<void> run_convert(const ConvertCommand& command) {
  const auto start = std::chrono::steady_clock::now();
  const auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  auto source = open_source(**reactor, command);
  if (!source) return Unexpected(std::move(source).error());
  if (command.options.replace) VIRIDIAN_TRY(refuse_if_in_use(command.target));
  auto temp = TempFile::create(command.target, command.options.replace);
  if (!temp) return Unexpected(std::move(temp).error());
  CreateOptions options = command.options;
  options.size_bytes = source->size_bytes;
  if (auto made = make_target(*temp, command.type, options); !made) {
    return with_context(command.target, std::move(made).error());
  }
  const auto copied = copy(**reactor, command, *source, *temp);
  if (!copied) return Unexpected(copied.error());
  VIRIDIAN_TRY(temp->complete());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  print_result(command, *source, *copied, seconds.count());
  return {};
}

}  // namespace viridian::vhd::tool
