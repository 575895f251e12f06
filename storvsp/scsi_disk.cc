#include "storvsp/scsi_disk.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/checked.h"
#include "storvsp/scsi_inquiry.h"
#include "storvsp/scsi_mode.h"

namespace viridian::storvsp {
namespace {

CachingPage caching_page(const io::DiskInfo& info) {
  CachingPage page{};
  page.page = mode_page::kCaching;
  page.length = sizeof(page) - 2;
  // What is written may be lost until it is flushed: a guest that knows sends its flushes.
  page.flags = info.read_only ? 0 : kCachingWriteBack;
  return page;
}

ControlPage control_page() {
  ControlPage page{};
  page.page = mode_page::kControl;
  page.length = sizeof(page) - 2;
  page.queueing = kControlUnrestrictedReordering;
  return page;
}

ModeBlockDescriptor block_descriptor(const io::DiskInfo& info) {
  ModeBlockDescriptor descriptor{};
  descriptor.count = static_cast<uint32_t>(
      std::min<uint64_t>(info.sector_count, std::numeric_limits<uint32_t>::max()));
  descriptor.block_size = {0, io::kSectorSize >> 8, io::kSectorSize & 0xff};
  return descriptor;
}

// SAM-5 5.14.3: these are executed while a unit attention waits.
bool passes_attention(uint8_t operation) {
  return operation == opcode::kInquiry || operation == opcode::kRequestSense;
}

}  // namespace

void ScsiDisk::execute(ScsiRequest& request) noexcept {
  if (attention_ && !passes_attention(request.cdb[0])) return report_attention(request);
  switch (request.cdb[0]) {
    case opcode::kRead10: {
      const auto cdb = cdb_as<Cdb10>(request.cdb);
      return transfer(request, io::IoOp::kRead, cdb.lba, cdb.length, cdb.flags);
    }
    case opcode::kWrite10: {
      const auto cdb = cdb_as<Cdb10>(request.cdb);
      return transfer(request, io::IoOp::kWrite, cdb.lba, cdb.length, cdb.flags);
    }
    case opcode::kRead16: {
      const auto cdb = cdb_as<Cdb16>(request.cdb);
      return transfer(request, io::IoOp::kRead, cdb.lba, cdb.length, cdb.flags);
    }
    case opcode::kWrite16: {
      const auto cdb = cdb_as<Cdb16>(request.cdb);
      return transfer(request, io::IoOp::kWrite, cdb.lba, cdb.length, cdb.flags);
    }
    case opcode::kSynchronizeCache10: {
      const auto cdb = cdb_as<Cdb10>(request.cdb);
      return synchronize_cache(request, cdb.lba, cdb.length);
    }
    case opcode::kSynchronizeCache16: {
      const auto cdb = cdb_as<Cdb16>(request.cdb);
      return synchronize_cache(request, cdb.lba, cdb.length);
    }
    default:
      return execute_other(request);
  }
}

void ScsiDisk::execute_other(ScsiRequest& request) noexcept {
  const auto cdb6 = cdb_as<Cdb6>(request.cdb);
  const auto cdb10 = cdb_as<Cdb10>(request.cdb);
  const auto cdb12 = cdb_as<Cdb12>(request.cdb);
  const auto cdb16 = cdb_as<Cdb16>(request.cdb);
  const uint32_t count6 = cdb6.length == 0 ? 256 : cdb6.length;  // SBC-3 5.11
  switch (request.cdb[0]) {
    case opcode::kTestUnitReady:
      return end_good(reactor_, request);
    case opcode::kRequestSense:
      return request_sense(request);
    case opcode::kInquiry:
      return execute_inquiry(reactor_, request, kTypeDisk, disk_.info());
    case opcode::kModeSense6:
    case opcode::kModeSense10:
      return mode(request, false);
    case opcode::kModeSelect6:
    case opcode::kModeSelect10:
      return mode(request, true);
    case opcode::kStartStopUnit:
      return start_stop(request);
    case opcode::kReadCapacity10:
      return read_capacity10(request);
    case opcode::kServiceActionIn16:
      return service_action_in(request);
    case opcode::kRead6:
      return transfer(request, io::IoOp::kRead, cdb6.lba(), count6, 0);
    case opcode::kWrite6:
      return transfer(request, io::IoOp::kWrite, cdb6.lba(), count6, 0);
    case opcode::kRead12:
      return transfer(request, io::IoOp::kRead, cdb12.lba, cdb12.length, cdb12.flags);
    case opcode::kWrite12:
      return transfer(request, io::IoOp::kWrite, cdb12.lba, cdb12.length, cdb12.flags);
    case opcode::kVerify10:
      return verify(request, cdb10.lba, cdb10.length, cdb10.flags);
    case opcode::kVerify16:
      return verify(request, cdb16.lba, cdb16.length, cdb16.flags);
    case opcode::kWriteSame10:
      // Bit 0 is NDOB in the 16-byte form only.
      return write_same(request, cdb10.lba, cdb10.length,
                        static_cast<uint8_t>(cdb10.flags & ~kCdbNoDataOut));
    case opcode::kWriteSame16:
      return write_same(request, cdb16.lba, cdb16.length, cdb16.flags);
    case opcode::kUnmap:
      return unmap(request);
    default:
      return end_check(reactor_, request, sense::kInvalidOperation);
  }
}

void ScsiDisk::report_attention(ScsiRequest& request) noexcept {
  end_check(reactor_, request, *attention_);
  attention_.reset();
}

void ScsiDisk::request_sense(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<RequestSenseCdb>(request.cdb);
  if (cdb.flags & kRequestSenseDescriptor) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  const FixedSense data = fixed_sense(attention_.value_or(sense::kNone));
  attention_.reset();
  end_data(reactor_, request, wire_bytes(data), cdb.allocation);
}

void ScsiDisk::start_stop(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<StartStopCdb>(request.cdb);
  if (cdb.flags & kStartStopPowerCondition) return end_good(reactor_, request);
  if (cdb.flags & kStartStopLoadEject) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  if (cdb.flags & kStartStopStart) return end_good(reactor_, request);
  flush(request);  // SBC-3 5.25: a unit that stops has written its cache
}

void ScsiDisk::read_capacity10(ScsiRequest& request) noexcept {
  const uint64_t last = disk_.info().sector_count - 1;
  const Capacity10 data = {
      static_cast<uint32_t>(std::min<uint64_t>(last, std::numeric_limits<uint32_t>::max())),
      io::kSectorSize};
  end_data(reactor_, request, wire_bytes(data), sizeof(data));
}

void ScsiDisk::service_action_in(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<Cdb16>(request.cdb);
  if ((cdb.flags & kCdbServiceAction) != kServiceReadCapacity16) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  const io::DiskInfo info = disk_.info();
  Capacity16 data{};
  data.last_lba = info.sector_count - 1;
  data.block_size = io::kSectorSize;
  const uint32_t per_physical = std::max(info.physical_sector_size / io::kSectorSize, 1u);
  data.exponents = static_cast<uint8_t>(std::bit_width(per_physical) - 1);
  if (info.discard_granularity > 0) data.provisioning_alignment = kCapacityProvisioned;
  end_data(reactor_, request, wire_bytes(data), cdb.length);
}

void ScsiDisk::mode(ScsiRequest& request, bool select) noexcept {
  const io::DiskInfo info = disk_.info();
  const CachingPage caching = caching_page(info);
  const ControlPage control = control_page();
  const std::array pages = {wire_bytes(caching), wire_bytes(control)};
  const ModeBlockDescriptor descriptor = block_descriptor(info);
  ModeParameters parameters;
  parameters.device_specific =
      static_cast<uint8_t>(kModeFuaSupported | (info.read_only ? kModeWriteProtected : 0));
  parameters.descriptor = &descriptor;
  parameters.pages = pages;
  if (select) {
    execute_mode_select(reactor_, request, parameters);
  } else {
    execute_mode_sense(reactor_, request, parameters);
  }
}

void ScsiDisk::flush(ScsiRequest& request) noexcept {
  request.op = io::IoOp::kFlush;
  request.transferred = 0;
  end_through(disk_, request);
}

bool ScsiDisk::within(uint64_t lba, uint64_t count) const noexcept {
  return range_within(lba, count, disk_.info().sector_count);
}

}  // namespace viridian::storvsp
