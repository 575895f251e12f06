#include "vhd/tool/in_place.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/checked.h"
#include "vhd/chain.h"
#include "vhd/children.h"
#include "vhd/control_io.h"
#include "vhd/footer_search.h"
#include "vhd/lock.h"
#include "vhd/new_image.h"
#include "vhd/tool/flat_target.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

Result<void> rename_durably(const std::string& from, const std::string& to, bool replace) {
  if (from == to) return {};
  const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) != 0) {
    if (errno == EXDEV) {
      return fail(ErrorKind::kInvalidArgument,
                  "{}: is on another file system; leave out --in-place to copy the disk", to);
    }
    return fail_errno(to, errno);
  }
  const std::string folder = std::filesystem::path(to).parent_path().string();
  const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno(to, errno);
  return {};
}

Result<void> resize_durably(int fd, const std::string& name, uint64_t size_bytes) {
  if (::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0 && ::fsync(fd) == 0) return {};
  return fail_errno(fmt::format("{}: setting its size to {} bytes", name, size_bytes), errno);
}

// The disk in `file` gets a footer. Its bytes are not touched: the footer comes behind them.
Result<uint64_t> add_footer(const FileView& file, const ConvertCommand& command) {
  const auto found = find_footers(file);
  if (!found) return Unexpected(found.error());
  const FooterCandidate& last = found->last;
  if (last.state == FooterState::kValid) {
    if (last.footer.disk_type.get() == kDiskTypeFixed &&
        last.offset == last.footer.current_size.get()) {
      return last.footer.current_size.get();  // a run that was cut off came this far
    }
    return fail(ErrorKind::kInvalidArgument,
                "{}: format: is a VHD already; leave out --in-place to convert it", file.name);
  }
  CreateOptions options = command.options;
  const auto size = size_for(options.compat, align_up<uint64_t>(file.size_bytes, 512));
  if (!size) return with_context(file.name, size.error());
  options.size_bytes = *size;
  VIRIDIAN_TRY(check_options(file.name, options, false));
  const Footer footer = fixed_footer(options.compat, *size);
  // In one write behind the end. If a cut leaves only a part of it, that is no footer: the next run
  // takes it as the disk's last bytes, and none of the disk's own is lost.
  VIRIDIAN_TRY(write_exact(file, *size, wire_bytes(footer), "footer"));
  if (::fsync(file.fd) != 0) return fail_errno(file.name, errno);
  return *size;
}

Result<void> print_result(const ConvertCommand& command, uint64_t size_bytes) {
  if (command.json) {
    print(Json{{"schema", kJsonSchema},
               {"source", command.source},
               {"target", command.target},
               {"type", to_string(command.type)},
               {"size_bytes", size_bytes},
               {"in_place", true}});
  } else {
    fmt::print("{}: {}, {}; nothing was copied\n", command.target, to_string(command.type),
               size_text(size_bytes));
  }
  return {};
}

}  // namespace

Result<void> convert_in_place(const ConvertCommand& command) {
  OpenPolicy policy = command.policy;
  const bool to_fixed = command.type == ImageType::kFixed;
  if (!to_fixed && command.type != ImageType::kRaw) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: type: only raw and fixed images are made in place; add --to fixed or leave "
                "out --in-place",
                command.target);
  }
  if (to_fixed) policy.format = Format::kRaw;
  auto link = open_image(command.source, Access::kReadWrite, policy);
  if (!link) return Unexpected(std::move(link).error());
  VIRIDIAN_TRY(lock_link(*link, command.source, LockMode::kWrite));
  if (!command.policy.write_parent) VIRIDIAN_TRY(refuse_parent(command.source));
  const auto file = view_file(link->fd.get(), command.source);
  if (!file) return Unexpected(file.error());
  if (file->is_block_device) {
    return fail(ErrorKind::kInvalidArgument, "{}: is a device; leave out --in-place",
                command.source);
  }
  std::error_code none;
  if (command.source != command.target && !command.options.replace &&
      std::filesystem::exists(command.target, none)) {
    return fail(ErrorKind::kInvalidArgument, "{}: exists already; give another name or add --force",
                command.target);
  }
  if (to_fixed) {
    const auto size = add_footer(*file, command);
    if (!size) return Unexpected(size.error());
    VIRIDIAN_TRY(rename_durably(command.source, command.target, command.options.replace));
    return print_result(command, *size);
  }
  // A raw one: a run that was cut off came this far, and only the new name is missing.
  const bool cut_already = link->image.type == ImageType::kRaw;
  if (link->image.type != ImageType::kFixed && !cut_already) {
    return fail(ErrorKind::kInvalidArgument,
                "{}: type: is {}, only a fixed image becomes raw in place; leave out --in-place",
                command.source, to_string(link->image.type));
  }
  if (!cut_already) {
    VIRIDIAN_TRY(resize_durably(file->fd, command.source, link->image.size_bytes));
  }
  VIRIDIAN_TRY(rename_durably(command.source, command.target, command.options.replace));
  return print_result(command, link->image.size_bytes);
}

}  // namespace viridian::vhd::tool
