// vhdtool dd: a range of a disk out of an image or into one, from or to a file or a pipe.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "vhd/open_disk.h"
#include "vhd/temp_file.h"
#include "vhd/tool/aligned_buffer.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/image_source.h"
#include "vhd/tool/interrupt.h"
#include "vhd/tool/json.h"
#include "vhd/tool/one_request.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

// The range that is meant, on a disk of `size_bytes`.
Result<Range> range_of(const DdCommand& command, uint64_t size_bytes) {
  const uint64_t offset = command.offset;
  if (offset > size_bytes || command.length.value_or(0) > size_bytes - offset) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: range: {} bytes at offset {} are not on the disk, which has {} bytes",
                command.image, command.length.value_or(0), offset, size_bytes);
  }
  const uint64_t length = command.length.value_or(size_bytes - offset);
  if (offset % 512 != 0 || length % 512 != 0) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: range: {} bytes at offset {} are no whole sectors; give multiples of 512",
                command.image, length, offset);
  }
  return Range{offset, length};
}

Result<void> put(int fd, const std::string& name, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n < 0) return fail_errno(fmt::format("{}: writing", name), errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

// As much as there is, up to `into`'s size.
Result<size_t> get(int fd, const std::string& name, std::span<std::byte> into) {
  size_t length = 0;
  while (length < into.size()) {
    const ssize_t n = ::read(fd, into.data() + length, into.size() - length);
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n < 0) return fail_errno(fmt::format("{}: reading", name), errno);
    if (n == 0) break;
    length += static_cast<size_t>(n);
  }
  return length;
}

Result<UniqueFd> open_input(const DdCommand& command) {
  UniqueFd fd(command.file == "-" ? ::dup(STDIN_FILENO)
                                  : ::open(command.file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(command.file, errno);
  return fd;
}

Result<void> copy_out(const ImageSource& source, const DdCommand& command, const Range& range,
                      int fd) {
  const AlignedBuffer buffer(kPieceBytes);
  for (uint64_t done = 0; done < range.length;) {
    if (interrupted()) return fail(ErrorKind::kIo, "interrupted after {} bytes", done);
    const auto part = buffer.span().first(std::min<uint64_t>(kPieceBytes, range.length - done));
    VIRIDIAN_TRY(source.read_at(range.offset + done, part));
    VIRIDIAN_TRY(put(fd, command.file, part));
    done += part.size();
  }
  return {};
}

Result<uint64_t> read_out(const DdCommand& command) {
  const auto source = ImageSource::open(command.image, command.policy, false);
  if (!source) return Unexpected(source.error());
  const auto range = range_of(command, *(*source)->size_bytes());
  if (!range) return Unexpected(range.error());
  if (command.file == "-") {
    VIRIDIAN_TRY(copy_out(**source, command, *range, STDOUT_FILENO));
  } else {
    auto file = TempFile::create(command.file, command.replace);
    if (!file) return Unexpected(file.error());
    VIRIDIAN_TRY(copy_out(**source, command, *range, file->fd()));
    VIRIDIAN_TRY(file->complete());
  }
  return range->length;
}

// Through the engine: what is there stays whole whatever happens, and is locked.
Result<uint64_t> write_in(const DdCommand& command) {
  const auto reactor = io::Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  DiskOptions options;
  options.cache = io::CacheMode::kWriteback;
  options.policy = command.policy;
  const auto disk = open_disk(**reactor, command.image, options);
  if (!disk) return Unexpected(disk.error());
  const auto range = range_of(command, (*disk)->info().sector_count * 512);
  if (!range) return Unexpected(range.error());
  const auto file = open_input(command);
  if (!file) return Unexpected(file.error());
  const AlignedBuffer buffer(kPieceBytes);
  uint64_t done = 0;
  while (done < range->length) {
    if (interrupted()) return fail(ErrorKind::kIo, "interrupted after {} bytes", done);
    const auto part = buffer.span().first(std::min<uint64_t>(kPieceBytes, range->length - done));
    const auto got = get(file->get(), command.file, part);
    if (!got) return Unexpected(got.error());
    if (*got % 512 != 0) {
      return fail(ErrorKind::kInvalidArgument,
                  "{}: size: ends {} bytes into a sector; fill it up with zeroes",
                  command.file == "-" ? "standard input" : command.file, *got % 512);
    }
    if (*got == 0) break;
    VIRIDIAN_TRY(
        run_request(**reactor, **disk, io::IoOp::kWrite, range->offset + done, part.first(*got)));
    done += *got;
  }
  if (command.length && done < *command.length) {
    return fail(ErrorKind::kInvalidArgument, "{}: size: {} bytes are fewer than the {} of --length",
                command.file == "-" ? "standard input" : command.file, done, *command.length);
  }
  VIRIDIAN_TRY(run_request(**reactor, **disk, io::IoOp::kFlush, 0, {}));
  return done;
}

}  // namespace

Result<void> run_dd(const DdCommand& command) {
  const auto moved = command.write ? write_in(command) : read_out(command);
  if (!moved) return Unexpected(moved.error());
  const bool to_pipe = !command.write && command.file == "-";
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"image", command.image},
               {"file", command.file},
               {"offset_bytes", command.offset},
               {"moved_bytes", *moved}},
          to_pipe ? stderr : stdout);
  } else if (!to_pipe) {
    fmt::print("{}: {} {} at offset {}\n", command.image, command.write ? "wrote" : "read",
               size_text(*moved), command.offset);
  }
  return {};
}

}  // namespace viridian::vhd::tool
