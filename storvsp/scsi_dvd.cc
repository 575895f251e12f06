#include "storvsp/scsi_dvd.h"

#include <algorithm>
#include <limits>

#include "storvsp/scsi_inquiry.h"
#include "storvsp/scsi_mode.h"

namespace viridian::storvsp {
namespace {

constexpr uint32_t kSectorsPerBlock = kDvdBlockBytes / io::kSectorSize;
constexpr uint16_t kSpeed = 11080;  // kilobytes a second: a DVD at 8x

// MMC-6 annex A: minutes, seconds and frames, counted from two seconds before block 0.
uint32_t to_msf(uint32_t lba) {
  const uint32_t frames = lba + 150;
  return (frames / 75 / 60) << 16 | (frames / 75 % 60) << 8 | frames % 75;
}

bool passes_attention(uint8_t operation) {
  return operation == opcode::kInquiry || operation == opcode::kRequestSense ||
         operation == opcode::kGetConfiguration || operation == opcode::kGetEventStatus;
}

}  // namespace

void ScsiDvd::execute(ScsiRequest& request) noexcept {
  const uint8_t operation = request.cdb[0];
  if (attention_ && !passes_attention(operation)) {
    end_check(reactor_, request, *attention_);
    return attention_.reset();
  }
  switch (operation) {
    case opcode::kInquiry:
      return execute_inquiry(reactor_, request, kTypeCdRom, image_.info());
    case opcode::kRequestSense:
      return request_sense(request);
    case opcode::kModeSense6:
    case opcode::kModeSense10:
      return mode(request, false);
    case opcode::kModeSelect6:
    case opcode::kModeSelect10:
      return mode(request, true);
    case opcode::kStartStopUnit:
      return start_stop(request);
    case opcode::kPreventAllowMediumRemoval:
      return prevent_allow(request);
    case opcode::kGetConfiguration:
      return get_configuration(request);
    case opcode::kGetEventStatus:
      return get_event_status(request);
    case opcode::kMechanismStatus: {
      constexpr std::array<std::byte, 8> kIdle{};
      return end_data(reactor_, request, kIdle, cdb_as<MechanismStatusCdb>(request.cdb).allocation);
    }
    case opcode::kTestUnitReady:
    case opcode::kRead10:
    case opcode::kRead12:
    case opcode::kReadCapacity10:
    case opcode::kReadToc:
    case opcode::kReadDiscInformation:
    case opcode::kReadTrackInformation:
      if (!loaded_) return end_check(reactor_, request, sense::kNoMedium);
      return execute_with_medium(request);
    default:
      return end_check(reactor_, request, sense::kInvalidOperation);
  }
}

void ScsiDvd::execute_with_medium(ScsiRequest& request) noexcept {
  const auto cdb10 = cdb_as<Cdb10>(request.cdb);
  const auto cdb12 = cdb_as<Cdb12>(request.cdb);
  switch (request.cdb[0]) {
    case opcode::kRead10:
      return read(request, cdb10.lba, cdb10.length);
    case opcode::kRead12:
      return read(request, cdb12.lba, cdb12.length);
    case opcode::kReadCapacity10:
      return read_capacity(request);
    case opcode::kReadToc:
      return read_toc(request);
    case opcode::kReadDiscInformation:
      return read_disc_information(request);
    case opcode::kReadTrackInformation:
      return read_track_information(request);
    default:
      return end_good(reactor_, request);  // TEST UNIT READY
  }
}

uint32_t ScsiDvd::block_count() const noexcept {
  // An image that ends within a block loses its last sectors, as a real disc cannot have them.
  return static_cast<uint32_t>(std::min<uint64_t>(image_.info().sector_count / kSectorsPerBlock,
                                                  std::numeric_limits<uint32_t>::max()));
}

void ScsiDvd::read(ScsiRequest& request, uint32_t lba, uint32_t count) noexcept {
  const uint64_t bytes = uint64_t{count} * kDvdBlockBytes;
  if (!trim_buffer(request, bytes)) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  request.op = io::IoOp::kRead;
  request.sector = uint64_t{lba} * kSectorsPerBlock;
  request.sector_count = uint64_t{count} * kSectorsPerBlock;
  request.data = request.buffer;
  request.transferred = static_cast<uint32_t>(bytes);
  end_through(image_, request);
}

void ScsiDvd::read_capacity(ScsiRequest& request) noexcept {
  const uint32_t blocks = block_count();
  const Capacity10 data = {blocks > 0 ? blocks - 1 : 0, kDvdBlockBytes};
  end_data(reactor_, request, wire_bytes(data), sizeof(data));
}

void ScsiDvd::read_toc(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<ReadTocCdb>(request.cdb);
  // Linux asks for the sessions in the way of SFF-8020i: format in the two high bits of CONTROL.
  const uint8_t format = (cdb.format & 0xf) != 0 ? cdb.format & 0xf : cdb.control >> 6;
  const bool msf = (cdb.flags & kTocMinuteSecondFrame) != 0;
  const auto track = [&](uint8_t number, uint32_t lba) {
    return TocTrack{0, kTocDataTrack, number, 0, msf ? to_msf(lba) : lba};
  };
  struct Toc {
    TocHeader header;
    std::array<TocTrack, 2> tracks;
  } toc{};
  size_t count = 0;
  if (format == kTocFormatTracks && cdb.track <= 1) {
    toc.tracks[count++] = track(1, 0);
    toc.tracks[count++] = track(kTocLeadOut, block_count());
  } else if (format == kTocFormatTracks && cdb.track == kTocLeadOut) {
    toc.tracks[count++] = track(kTocLeadOut, block_count());
  } else if (format == kTocFormatSessions) {
    toc.tracks[count++] = track(1, 0);  // the first track of the last session
  } else {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  const size_t length = sizeof(TocHeader) + count * sizeof(TocTrack);
  toc.header = {static_cast<uint16_t>(length - sizeof(toc.header.length)), 1, 1};
  end_data(reactor_, request, wire_bytes(toc).first(length), cdb.allocation);
}

void ScsiDvd::read_disc_information(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<Cdb10>(request.cdb);
  if ((cdb.flags & 0x07) != 0) return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  DiscInformation data{};
  data.length = sizeof(data) - sizeof(data.length);
  data.status = kDiscComplete;
  data.first_track = data.session_count = data.first_in_last = data.last_in_last = 1;
  data.flags = kDiscUnrestrictedUse;
  data.lead_in = data.lead_out = std::numeric_limits<uint32_t>::max();
  end_data(reactor_, request, wire_bytes(data), cdb.length);
}

void ScsiDvd::read_track_information(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<Cdb10>(request.cdb);
  const uint8_t address_type = cdb.flags & 0x03;  // a block, a track or a session
  const bool found = address_type == 0 ? cdb.lba < block_count() : cdb.lba.get() == 1;
  if (!found || address_type == 3) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  TrackInformation data{};
  data.length = sizeof(data) - sizeof(data.length);
  data.track = data.session = 1;
  data.track_mode = 4;  // data, recorded without a break
  data.data_mode = 1;
  data.size = block_count();
  end_data(reactor_, request, wire_bytes(data), cdb.length);
}

void ScsiDvd::request_sense(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<RequestSenseCdb>(request.cdb);
  if (cdb.flags & kRequestSenseDescriptor) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  const FixedSense data =
      fixed_sense(attention_.value_or(loaded_ ? sense::kNone : sense::kNoMedium));
  attention_.reset();
  end_data(reactor_, request, wire_bytes(data), cdb.allocation);
}

// MMC-6 6.42.
void ScsiDvd::start_stop(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<StartStopCdb>(request.cdb);
  if ((cdb.flags & kStartStopPowerCondition) || !(cdb.flags & kStartStopLoadEject)) {
    return end_good(reactor_, request);
  }
  const bool loads = (cdb.flags & kStartStopStart) != 0;
  if (!loads && removal_prevented_) {
    return end_check(reactor_, request, sense::kRemovalPrevented);
  }
  if (loads != loaded_) {
    event_ = loads ? kMediaNew : kMediaRemoved;
    if (loads) attention_ = sense::kMediumChanged;
  }
  loaded_ = loads;
  end_good(reactor_, request);
}

void ScsiDvd::prevent_allow(ScsiRequest& request) noexcept {
  removal_prevented_ = (cdb_as<PreventAllowCdb>(request.cdb).prevent & 1) != 0;
  end_good(reactor_, request);
}

void ScsiDvd::mode(ScsiRequest& request, bool select) noexcept {
  ErrorRecoveryPage recovery{};
  recovery.page = mode_page::kErrorRecovery;
  recovery.length = sizeof(recovery) - 2;
  CapabilitiesPage capabilities{};
  capabilities.page = mode_page::kCapabilities;
  capabilities.length = sizeof(capabilities) - 2;
  capabilities.reads = kReadsDvdAndCd;
  capabilities.mechanism = kTrayWithEjectAndLock;
  capabilities.max_speed = capabilities.current_speed = kSpeed;
  const std::array pages = {wire_bytes(recovery), wire_bytes(capabilities)};
  ModeParameters parameters;
  parameters.pages = pages;
  if (select) {
    execute_mode_select(reactor_, request, parameters);
  } else {
    execute_mode_sense(reactor_, request, parameters);
  }
}

}  // namespace viridian::storvsp
