// What a DVD drive can do and what has happened to it: GET CONFIGURATION (MMC-6 5.3, 6.6) and GET
// EVENT STATUS NOTIFICATION (6.7).
#include <algorithm>
#include <cstring>

#include "storvsp/scsi_dvd.h"

namespace viridian::storvsp {
namespace {

struct Feature {
  uint16_t code;
  uint8_t version;
  bool persistent;  // current with and without a medium
  uint8_t length;   // of data: a multiple of 4
  std::array<uint8_t, 8> data;
};

constexpr uint8_t kDvdRom = kProfileDvdRom;

// In the order of their codes.
constexpr std::array<Feature, 7> kFeatures = {{
    {0x0000, 0, true, 8, {0x00, kDvdRom, 0x01, 0x00, 0x00, 0x08, 0x00, 0x00}},  // profiles
    {0x0001, 2, true, 8, {0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00}},     // core: SCSI
    {0x0002, 1, true, 4, {0x02}},                                               // morphing
    {0x0003, 0, true, 4, {0x29}},                                               // removable: tray
    {0x0010, 0, false, 8, {0x00, 0x00, 0x08, 0x00, 0x00, 0x10, 0x00, 0x00}},    // random readable
    {0x001e, 0, false, 4, {}},                                                  // CD read
    {0x001f, 0, false, 4, {}},                                                  // DVD read
}};

bool is_wanted(const Feature& feature, uint16_t first, FeatureRequest request, bool current) {
  switch (request) {
    case FeatureRequest::kAll:
      return feature.code >= first;
    case FeatureRequest::kCurrent:
      return feature.code >= first && current;
    default:
      return feature.code == first;
  }
}

}  // namespace

void ScsiDvd::get_configuration(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<GetConfigurationCdb>(request.cdb);
  const auto wanted = static_cast<FeatureRequest>(cdb.request_type & 0x03);
  if (wanted == FeatureRequest::kReserved) {
    return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  }
  std::array<std::byte, 128> bytes{};
  const std::span<std::byte> reply(bytes);
  size_t length = sizeof(FeatureListHeader);
  for (const Feature& feature : kFeatures) {
    const bool current = feature.persistent || loaded_;
    if (!is_wanted(feature, cdb.first_feature, wanted, current)) continue;
    FeatureHeader header{};
    header.code = feature.code;
    header.flags = static_cast<uint8_t>(feature.version << 2 | (feature.persistent ? 2 : 0) |
                                        (current ? kFeatureCurrent : 0));
    header.length = feature.length;
    write_wire(reply, header, length);
    length += sizeof(header);
    std::memcpy(&bytes[length], feature.data.data(), feature.length);
    length += feature.length;
  }
  FeatureListHeader header{};
  header.length = static_cast<uint32_t>(length - sizeof(header.length));
  header.current_profile = loaded_ ? kProfileDvdRom : 0;
  write_wire(reply, header);
  end_data(reactor_, request, reply.first(length), cdb.allocation);
}

void ScsiDvd::get_event_status(ScsiRequest& request) noexcept {
  const auto cdb = cdb_as<EventStatusCdb>(request.cdb);
  // Without the polled bit the command would wait for an event: no drive does that.
  if ((cdb.polled & 1) == 0) return end_check(reactor_, request, sense::kInvalidFieldInCdb);
  EventStatus status{};
  status.supported_classes = kMediaClassBit;
  size_t length = sizeof(status);
  if ((cdb.classes & kMediaClassBit) == 0) {
    length = 4;
    status.event_class = kNoEventAvailable;
  } else {
    status.event_class = kEventClassMedia;
    status.event = event_;
    status.medium = loaded_ ? kMediumPresent : kMediumTrayOpen;
    // A header alone leaves the event for the next one who asks.
    if (cdb.allocation >= length) event_ = kMediaNoChange;
  }
  status.length = static_cast<uint16_t>(length - sizeof(status.length));
  end_data(reactor_, request, wire_bytes(status).first(length), cdb.allocation);
}

}  // namespace viridian::storvsp
