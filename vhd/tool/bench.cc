// vhdtool bench: how fast a disk is through the engine, beside raw io_uring on the same file.
//
// An image is only read. Writes go to a scratch disk, made in the image's folder, that is removed
// at the end; what they are compared with is the same blocks of the same file.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "vhd/create.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/json.h"
#include "vhd/tool/load/load.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint32_t kMostDepth = 256;
constexpr uint64_t kScratchBytes = 256u << 20;
constexpr unsigned kFewestRounds = 5;
constexpr double kLongestRunSeconds = 1;  // after it an interrupt is seen

class Scratch {
 public:
  explicit Scratch(const std::string& beside) {
    const auto folder = std::filesystem::path(beside).parent_path();
    path_ = (folder / fmt::format(".vhdtool-bench-{}.vhd", ::getpid())).string();
  }
  ~Scratch() { ::unlink(path_.c_str()); }
  Scratch(const Scratch&) = delete;
  const std::string& path() const { return path_; }

  // A dynamic disk with every block written.
  Result<void> make(const Buffers& buffers) const {
    CreateOptions options;
    options.size_bytes = kScratchBytes;
    VIRIDIAN_TRY(create_dynamic(path_, options));
    auto engine = EngineLoop::open(path_, false);
    if (!engine) return Unexpected(std::move(engine).error());
    Work work;
    work.is_write = true;
    work.bytes = 1u << 20;
    work.depth = 8;
    work.region = kScratchBytes;
    work.max_count = kScratchBytes / work.bytes;
    work.flush_at_end = true;
    const auto filled = engine->run(work, buffers);
    if (!filled) return Unexpected(filled.error());
    return {};
  }

 private:
  std::string path_;
};

struct Figures {
  std::vector<double> ours, bare, ratios;  // requests a second, by round
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<void> check(const BenchCommand& command) {
  const auto wrong = [](const char* option, const std::string& text) {
    return fail(ErrorKind::kInvalidArgument, "{}: {}", option, text);
  };
  if (command.bytes == 0 || command.bytes % io::kSectorSize != 0) {
    return wrong("--block", fmt::format("is {}, not a multiple of 512", command.bytes));
  }
  if (command.depth == 0 || command.depth > kMostDepth) {
    return wrong("--depth", fmt::format("is {}, not 1 to {}", command.depth, kMostDepth));
  }
  if (command.bytes > Buffers::kBytes / command.depth) {
    return wrong("--block", fmt::format("times --depth is more than {}; make one of them smaller",
                                        size_text(Buffers::kBytes)));
  }
  if (!(command.seconds > 0 && command.seconds <= 3600)) {
    return wrong("--seconds", "is not more than 0 and at most 3600");
  }
  return {};
}

// By turns, so that what else the machine does meets both.
Result<Figures> measure(const std::string& path, const BenchCommand& command,
                        const OpenPolicy& policy, const Buffers& buffers) {
  const bool read_only = !command.write;
  auto engine = EngineLoop::open(path, read_only, read_only, policy);
  if (!engine) return Unexpected(std::move(engine).error());
  auto bare = BareLoop::on_image(path, read_only, policy);
  if (!bare) return Unexpected(std::move(bare).error());
  Work work;
  work.is_write = command.write;
  work.is_random = command.is_random;
  work.bytes = static_cast<uint32_t>(command.bytes);
  work.depth = command.depth;
  work.region = engine->size_bytes();
  unsigned rounds = kFewestRounds;  // and one before them
  if (command.count > 0) {
    work.max_count = std::max<uint64_t>(command.count / rounds, 1);
  } else {
    const double longest = 2 * (1 + rounds) * kLongestRunSeconds;
    if (command.seconds > longest)
      rounds = static_cast<unsigned>(command.seconds / (2 * kLongestRunSeconds)) - 1;
    work.seconds = command.seconds / (2 * (1 + rounds));
  }
  if (work.region < work.bytes) {
    return fail(ErrorKind::kInvalidArgument, "{}: the disk is smaller than --block", path);
  }
  Figures figures;
  for (unsigned round = 0; round <= rounds && !interrupted(); ++round) {
    const auto ours = engine->run(work, buffers);
    if (!ours) return Unexpected(ours.error());
    const auto theirs = bare->run(work, buffers);
    if (!theirs) return Unexpected(theirs.error());
    if (round == 0) continue;  // it filled caches
    figures.ours.push_back(ours->rate());
    figures.bare.push_back(theirs->rate());
    figures.ratios.push_back(ours->rate() / theirs->rate());
  }
  if (figures.ours.empty()) return fail(ErrorKind::kIo, "{}: interrupted", path);
  return figures;
}

void print_text(const BenchCommand& command, const Figures& figures) {
  const double mib = static_cast<double>(command.bytes) / (1 << 20);
  fmt::print("{} {} of {}, {} at a time{}\n", command.is_random ? "random" : "sequential",
             command.write ? "overwrites" : "reads", size_text(command.bytes), command.depth,
             command.write ? ", on a scratch disk beside the image" : "");
  for (const auto& [name, rates] :
       {std::pair{"through the engine", &figures.ours}, {"raw io_uring", &figures.bare}}) {
    const double rate = median(*rates);
    fmt::print("  {:<20} {:>10.0f} requests/s {:>9.1f} MiB/s\n", name, rate, rate * mib);
  }
  fmt::print(
      "  {:<20} {:>10.2f} ({:.2f} to {:.2f} in {} rounds)\n", "ratio", median(figures.ratios),
      *std::min_element(figures.ratios.begin(), figures.ratios.end()),
      *std::max_element(figures.ratios.begin(), figures.ratios.end()), figures.ratios.size());
}

void print_json(const BenchCommand& command, const Figures& figures) {
  print(Json{{"schema", kJsonSchema},
             {"write", command.write},
             {"pattern", command.is_random ? "random" : "sequential"},
             {"block_bytes", command.bytes},
             {"depth", command.depth},
             {"rounds", figures.ratios.size()},
             {"requests_per_second", median(figures.ours)},
             {"raw_requests_per_second", median(figures.bare)},
             {"ratio", median(figures.ratios)},
             {"ratios", figures.ratios}});
}

}  // namespace

Result<void> run_bench(const BenchCommand& command) {
  VIRIDIAN_TRY(check(command));
  // The image is looked at in any case: a wrong name makes no scratch disk somewhere.
  auto image = EngineLoop::open(command.image, true, true, command.policy);
  if (!image) return Unexpected(std::move(image).error());
  if (command.write && !std::filesystem::is_regular_file(command.image)) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: --write makes its scratch disk beside an image file, and this is none",
                command.image);
  }
  const Buffers buffers;
  const Scratch scratch(command.image);
  if (command.write) VIRIDIAN_TRY(scratch.make(buffers));
  const auto figures = command.write ? measure(scratch.path(), command, {}, buffers)
                                     : measure(command.image, command, command.policy, buffers);
  if (!figures) return Unexpected(figures.error());
  command.json ? print_json(command, *figures) : print_text(command, *figures);
  return {};
}

}  // namespace viridian::vhd::tool
