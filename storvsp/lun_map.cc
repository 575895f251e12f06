#include "storvsp/lun_map.h"

#include "storvsp/scsi_inquiry.h"

namespace viridian::storvsp {
namespace {

struct ReportedLun {  // SAM-5 4.7.7.5: single level, peripheral device addressing, bus 0
  uint8_t bus, number;
  std::array<uint8_t, 6> lower_levels;
};
static_assert(WireStruct<ReportedLun> && sizeof(ReportedLun) == 8);

struct LunList {
  be32 length, reserved;
  std::array<ReportedLun, kMaxLuns> luns;
};
static_assert(WireStruct<LunList> && sizeof(LunList) == 8 + 8 * kMaxLuns);

constexpr uint8_t kReportWellKnownOnly = 0x01;
constexpr uint8_t kReportAll = 0x02;
constexpr std::string_view kNoProduct = "                ";

}  // namespace

Result<void> LunMap::add(uint32_t number, std::unique_ptr<LogicalUnit> unit) {
  if (number >= kMaxLuns) {
    return fail(ErrorKind::kInvalidArgument, "LUN {}: a controller has LUNs 0 to {}", number,
                kMaxLuns - 1);
  }
  if (luns_[number].unit) return fail(ErrorKind::kInvalidArgument, "LUN {} is taken", number);
  luns_[number].unit = std::move(unit);
  return {};
}

Result<void> LunMap::remove(uint32_t number, io::Completion& done) {
  Lun* lun = find(number);
  if (lun == nullptr) return fail(ErrorKind::kInvalidArgument, "LUN {} has no disk", number);
  lun->removal = &done;
  if (lun->in_flight == 0) finish_removal(*lun);
  return {};
}

Lun* LunMap::find(uint32_t number) noexcept {
  if (number >= kMaxLuns) return nullptr;
  Lun& lun = luns_[number];
  return lun.unit && lun.removal == nullptr ? &lun : nullptr;
}

void LunMap::end(Lun& lun) noexcept {
  --lun.in_flight;
  if (lun.in_flight == 0 && lun.removal != nullptr) finish_removal(lun);
}

void LunMap::finish_removal(Lun& lun) noexcept {
  lun.unit.reset();
  reactor_.defer(*lun.removal);
  lun.removal = nullptr;
}

void LunMap::report(ScsiRequest& request, bool here) noexcept {
  const auto cdb = cdb_as<ReportLunsCdb>(request.cdb);
  if (cdb.select_report > kReportAll) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  LunList list{};
  size_t count = 0;
  const bool lists_units = here && cdb.select_report != kReportWellKnownOnly;
  for (size_t number = 0; lists_units && number < luns_.size(); ++number) {
    if (find(static_cast<uint32_t>(number)) == nullptr) continue;
    list.luns[count++] = {0, static_cast<uint8_t>(number), {}};
  }
  list.length = static_cast<uint32_t>(count * sizeof(ReportedLun));
  end_data(reactor_, request, wire_bytes(list).first(8 + count * sizeof(ReportedLun)),
           cdb.allocation);
}

void LunMap::inquire_absent(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<InquiryCdb>(request.cdb);
  if (cdb.flags & kInquiryVitalProductData) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  const InquiryData data = inquiry_data(kTypeAbsent, kNoProduct, false);
  end_data(reactor_, request, wire_bytes(data), cdb.allocation);
}

}  // namespace viridian::storvsp
