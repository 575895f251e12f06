#include "storvsp/scsi_mode.h"

#include <algorithm>
#include <optional>

#include "storvsp/limits.h"

namespace viridian::storvsp {
namespace {

// The two forms of each command, brought to one.
struct SenseCommand {
  bool is_long;
  bool descriptor;
  uint8_t page;
  uint8_t subpage;
  ModeValues values;
  uint32_t allocation;
};

SenseCommand sense_command(const Cdb& cdb) {
  SenseCommand command{};
  command.is_long = cdb[0] == opcode::kModeSense10;
  // Bytes 1 to 3 are the same in both.
  const auto common = cdb_as<ModeSense6Cdb>(cdb);
  command.descriptor = (common.flags & kModeNoBlockDescriptors) == 0;
  command.page = common.page & kModePageCode;
  command.values = static_cast<ModeValues>(common.page >> 6);
  command.subpage = common.subpage;
  command.allocation = command.is_long ? uint32_t{cdb_as<ModeSense10Cdb>(cdb).allocation}
                                       : uint32_t{common.allocation};
  return command;
}

struct SelectCommand {
  bool is_long;
  uint8_t flags;
  uint32_t length;
};

SelectCommand select_command(const Cdb& cdb) {
  if (cdb[0] == opcode::kModeSelect10) {
    const auto command = cdb_as<ModeSelect10Cdb>(cdb);
    return {true, command.flags, command.length};
  }
  const auto command = cdb_as<ModeSelect6Cdb>(cdb);
  return {false, command.flags, command.length};
}

class Reply {
 public:
  explicit Reply(size_t header_length) : length_(header_length) {}

  void append(std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(length_));
    length_ += bytes.size();
  }
  // Nothing can be changed: every changeable bit is clear, only code and length are there.
  void append_changeable(std::span<const std::byte> page) {
    append(page.first(2));
    length_ += page.size() - 2;
  }
  size_t length() const { return length_; }
  template <WireStruct T>
  std::span<const std::byte> finish(const T& header) {
    write_wire(std::span(bytes_), header);
    return std::span(bytes_).first(length_);
  }

 private:
  std::array<std::byte, 128> bytes_{};  // headers and all pages of a unit need 64
  size_t length_;
};

uint8_t page_code(std::span<const std::byte> page) {
  return std::to_integer<uint8_t>(page[0]) & kModePageCode;
}

// Whether the bytes at `offset` of the guest's list are `page` as it stands. The PS bit is
// reserved in MODE SELECT.
bool is_unchanged(std::span<const std::byte> list, std::span<const std::byte> page) {
  return list.size() >= page.size() && std::equal(page.begin() + 1, page.end(), list.begin() + 1);
}

std::optional<Sense> check_pages(std::span<const std::byte> list,
                                 const ModeParameters& parameters) {
  while (!list.empty()) {
    const auto known = std::find_if(parameters.pages.begin(), parameters.pages.end(),
                                    [&](auto page) { return page_code(page) == page_code(list); });
    const bool has_subpage = (std::to_integer<uint8_t>(list[0]) & kModeSubpageFormat) != 0;
    if (known == parameters.pages.end() || has_subpage) return sense::kInvalidFieldInParameters;
    if (list.size() < known->size()) return sense::kParameterListLength;
    if (!is_unchanged(list, *known)) return sense::kInvalidFieldInParameters;
    list = list.subspan(known->size());
  }
  return std::nullopt;
}

}  // namespace

void execute_mode_sense(io::Reactor& reactor, ScsiRequest& request,
                        const ModeParameters& parameters) noexcept {
  const SenseCommand command = sense_command(request.cdb);
  if (command.values == ModeValues::kSaved) {
    return end_check(reactor, request, sense::kSavingNotSupported);
  }
  const bool all = command.page == mode_page::kAll;
  if (command.subpage != 0 && !(all && command.subpage == kModeAllSubpages)) {
    return end_check(reactor, request, sense::kInvalidFieldInCdb);
  }
  const bool has_descriptor = command.descriptor && parameters.descriptor != nullptr;
  Reply reply(command.is_long ? sizeof(ModeHeader10) : sizeof(ModeHeader6));
  if (has_descriptor) reply.append(wire_bytes(*parameters.descriptor));
  bool found = all;
  for (const std::span<const std::byte> page : parameters.pages) {
    if (!all && page_code(page) != command.page) continue;
    found = true;
    if (command.values == ModeValues::kChangeable) {
      reply.append_changeable(page);
    } else {
      reply.append(page);
    }
  }
  if (!found) return end_check(reactor, request, sense::kInvalidFieldInCdb);

  const uint8_t descriptor_length = has_descriptor ? sizeof(ModeBlockDescriptor) : 0;
  if (command.is_long) {
    ModeHeader10 header{};
    header.data_length = static_cast<uint16_t>(reply.length() - sizeof(header.data_length));
    header.device_specific = parameters.device_specific;
    header.descriptor_length = descriptor_length;
    end_data(reactor, request, reply.finish(header), command.allocation);
  } else {
    const ModeHeader6 header = {static_cast<uint8_t>(reply.length() - 1), 0,
                                parameters.device_specific, descriptor_length};
    end_data(reactor, request, reply.finish(header), command.allocation);
  }
}

void execute_mode_select(io::Reactor& reactor, ScsiRequest& request,
                         const ModeParameters& parameters) noexcept {
  const SelectCommand command = select_command(request.cdb);
  if (command.flags & kModeSelectSavePages || !(command.flags & kModeSelectPageFormat)) {
    return end_check(reactor, request, sense::kInvalidFieldInCdb);
  }
  if (command.length == 0) return end_good(reactor, request);
  std::array<std::byte, kMaxModeParameters> storage;
  if (command.length > storage.size()) {
    return end_check(reactor, request, sense::kParameterListLength);
  }
  std::span<std::byte> list = std::span(storage).first(command.length);
  if (!copy_parameters(request, 0, list)) {
    return end_check(reactor, request, sense::kParameterListLength);
  }
  size_t skip = 0;  // the header and the block descriptors
  if (command.is_long) {
    const auto header = read_wire<ModeHeader10>(list);
    if (header) skip = sizeof(ModeHeader10) + header->descriptor_length;
  } else {
    const auto header = read_wire<ModeHeader6>(list);
    if (header) skip = sizeof(ModeHeader6) + header->descriptor_length;
  }
  if (skip == 0 || skip > list.size()) {
    return end_check(reactor, request, sense::kParameterListLength);
  }
  if (const auto wrong = check_pages(list.subspan(skip), parameters)) {
    return end_check(reactor, request, *wrong);
  }
  end_good(reactor, request, command.length);
}

}  // namespace viridian::storvsp
