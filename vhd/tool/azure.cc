// vhdtool azure validate: whether Azure takes a file as a disk, and each rule that it breaks.
//
// Rules: fixed only; the disk is a whole number of MiB, and its footer says the same size as the
// file has; from 20 MiB on, and for a direct upload up to 32767 GiB.
#include <fcntl.h>

#include <cerrno>
#include <vector>

#include "io/unique_fd.h"
#include "vhd/control_io.h"
#include "vhd/footer_search.h"
#include "vhd/tool/commands.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kLeastSize = 20 * kMiB;
constexpr uint64_t kMostSize = 35183298347008;

struct Broken {
  std::string rule;
  std::string text;  // what is wrong, and the cure
};

using Report = std::vector<Broken>;

void judge_size(uint64_t size_bytes, Report& report) {
  if (size_bytes % kMiB != 0) {
    report.push_back({"size", fmt::format("the disk's {} bytes are no whole number of MiB; "
                                          "'vhdtool azure make' fills it up",
                                          size_bytes)});
  }
  if (size_bytes < kLeastSize || size_bytes > kMostSize) {
    report.push_back({"limits", fmt::format("the disk's {} bytes are not from {} to {}; resize it",
                                            size_bytes, kLeastSize, kMostSize)});
  }
}

Result<Report> judge(const FileView& file) {
  Report report;
  const auto found = find_footers(file);
  if (!found) return Unexpected(found.error());
  const FooterCandidate& last = found->last;
  if (last.state != FooterState::kValid) {
    const bool copy = found->copy.state == FooterState::kValid;
    report.push_back({"footer", copy ? "there is none at the end of the file, but a copy at the "
                                       "start: 'vhdtool check' says more"
                                     : "there is none at the end of the file: the file is no VHD; "
                                       "'vhdtool azure make' makes one of a raw disk"});
    return report;
  }
  const Footer& footer = last.footer;
  if (last.offset + sizeof(Footer) != file.size_bytes || last.offset % 512 != 0) {
    report.push_back({"footer", "is not the file's last 512 bytes; 'vhdtool convert' makes it so"});
  }
  if (footer.disk_type.get() != kDiskTypeFixed) {
    report.push_back({"type", fmt::format("is {}, not 2 (fixed); 'vhdtool azure make' converts it",
                                          footer.disk_type.get())});
    judge_size(footer.current_size, report);
    return report;
  }
  if (footer.data_offset.get() != kNoOffset) {
    report.push_back({"data_offset", fmt::format("is {:#x}, not all ones; 'vhdtool azure make' "
                                                 "writes a new footer",
                                                 footer.data_offset.get())});
  }
  if (footer.current_size.get() != last.offset) {
    report.push_back({"current_size", fmt::format("is {}, but the file holds {} bytes of disk; "
                                                  "'vhdtool azure make' writes a new footer",
                                                  footer.current_size.get(), last.offset)});
  }
  if (footer.saved_state != 0) {
    report.push_back({"saved_state", "is set: shut the machine down and take its disk then"});
  }
  judge_size(last.offset, report);
  return report;
}

}  // namespace

Result<void> run_azure_validate(const AzureCommand& command) {
  const UniqueFd fd(::open(command.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_errno(command.path, errno);
  const auto file = view_file(fd.get(), command.path);
  if (!file) return Unexpected(file.error());
  const auto report = judge(*file);
  if (!report) return Unexpected(report.error());
  if (command.json) {
    Json broken = Json::array();
    for (const Broken& one : *report)
      broken.push_back({{"rule", one.rule}, {"text", one.text}});
    print(Json{{"schema", kJsonSchema},
               {"path", command.path},
               {"valid", report->empty()},
               {"file_size_bytes", file->size_bytes},
               {"broken_rules", broken}});
  } else {
    for (const Broken& one : *report)
      fmt::print("{}: {}: {}\n", command.path, one.rule, one.text);
    if (report->empty()) {
      fmt::print("{}: Azure takes it: fixed, {}\n", command.path,
                 size_text(file->size_bytes - sizeof(Footer)));
    }
  }
  if (report->empty()) return {};
  return fail(ErrorKind::kInvalidArgument, "{}: breaks {} of Azure's rules", command.path,
              report->size());
}

}  // namespace viridian::vhd::tool
