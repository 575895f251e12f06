#include "storvsp/scsi_inquiry.h"

#include <algorithm>
#include <cstring>

#include "storvsp/limits.h"

namespace viridian::storvsp {
namespace {

constexpr std::array<uint8_t, 3> kAnyPages = {vpd::kSupportedPages, vpd::kSerialNumber,
                                              vpd::kIdentification};
constexpr std::array<uint8_t, 3> kDiskPages = {vpd::kBlockLimits, vpd::kBlockCharacteristics,
                                               vpd::kProvisioning};

using HexId = std::array<char, 32>;

// NAA format 6 with Hyper-V's company id 002248h: a disk that moves here keeps the form of its
// /dev/disk/by-id name.
constexpr std::array<uint8_t, 4> kNaaPrefix = {0x60, 0x02, 0x24, 0x80};

// A page under construction: everything is appended behind its header.
class Page {
 public:
  Page(uint8_t type, uint8_t page) : header_{type, page, 0} { append(header_); }

  template <WireStruct T>
  void append(const T& value) {
    append(wire_bytes(value));
  }
  void append(std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(length_));
    length_ += bytes.size();
  }
  std::span<const std::byte> finish() {
    header_.length = static_cast<uint16_t>(length_ - sizeof(header_));
    write_wire(std::span(bytes_), header_);
    return std::span(bytes_).first(length_);
  }

 private:
  VpdHeader header_;
  std::array<std::byte, 128> bytes_{};  // the longest page has 80
  size_t length_ = 0;
};

bool has_id(const io::DiskInfo& info) {
  return std::any_of(info.unique_id.begin(), info.unique_id.end(),
                     [](uint8_t byte) { return byte != 0; });
}

HexId hex_id(const io::DiskInfo& info) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  HexId text{};
  for (size_t i = 0; i < info.unique_id.size(); ++i) {
    text[2 * i] = kDigits[info.unique_id[i] >> 4];
    text[2 * i + 1] = kDigits[info.unique_id[i] & 0xf];
  }
  return text;
}

// SPC-4 7.8.6. A disk without an id of its own gets no designator: one that two disks share would
// make a guest take them for two paths to one disk.
void append_identification(Page& page, const io::DiskInfo& info) {
  if (!has_id(info)) return;
  constexpr uint8_t kNaaLength = 16;
  page.append(DesignatorHeader{kCodeSetBinary, kDesignatorNaa, 0, kNaaLength});
  page.append(std::as_bytes(std::span(kNaaPrefix)));
  page.append(std::as_bytes(std::span(info.unique_id)).first(kNaaLength - kNaaPrefix.size()));

  const HexId id = hex_id(info);
  constexpr auto kLength = static_cast<uint8_t>(kVendor.size() + std::tuple_size_v<HexId>);
  page.append(DesignatorHeader{kCodeSetAscii, kDesignatorT10Vendor, 0, kLength});
  page.append(std::as_bytes(std::span(kVendor)));
  page.append(std::as_bytes(std::span(id)));
}

BlockLimits block_limits(const io::DiskInfo& info) {
  BlockLimits limits{};
  limits.write_same_nonzero = 1;  // WSNZ: a length of zero does not mean "to the end"
  limits.optimal_granularity =
      static_cast<uint16_t>(std::max(info.physical_sector_size / io::kSectorSize, 1u));
  limits.max_transfer = kMaxTransferBytes / io::kSectorSize;
  limits.max_write_same = kMaxWriteSameSectors;
  if (info.discard_granularity > 0) {
    limits.max_unmap_count = kMaxUnmapSectors;
    limits.max_unmap_descriptors = kMaxUnmapDescriptors;
    limits.unmap_granularity = info.discard_granularity;
    limits.unmap_alignment = kUnmapAlignmentValid;
  }
  return limits;
}

Provisioning provisioning(const io::DiskInfo& info) {
  Provisioning page{};
  if (info.discard_granularity > 0) {
    // LBPRZ stays clear: an UNMAP may leave the old bytes. WRITE SAME always writes its zeroes.
    page.flags = kProvisioningUnmap | kProvisioningWriteSame16 | kProvisioningWriteSame10;
    page.type = kProvisioningThin;
  }
  return page;
}

// False if the unit has no such page.
bool fill_page(Page& page, uint8_t code, uint8_t type, const io::DiskInfo& info) {
  const bool is_disk = type == kTypeDisk;
  if (std::find(kDiskPages.begin(), kDiskPages.end(), code) != kDiskPages.end() && !is_disk) {
    return false;
  }
  switch (code) {
    case vpd::kSupportedPages:
      page.append(std::as_bytes(std::span(kAnyPages)));
      if (is_disk) page.append(std::as_bytes(std::span(kDiskPages)));
      return true;
    case vpd::kSerialNumber:
      if (has_id(info)) {
        const HexId id = hex_id(info);
        page.append(std::as_bytes(std::span(id)));
      }
      return true;
    case vpd::kIdentification:
      append_identification(page, info);
      return true;
    case vpd::kBlockLimits:
      page.append(block_limits(info));
      return true;
    case vpd::kBlockCharacteristics: {
      BlockCharacteristics characteristics{};
      characteristics.rotation_rate = kNonRotating;
      page.append(characteristics);
      return true;
    }
    case vpd::kProvisioning:
      page.append(provisioning(info));
      return true;
    default:
      return false;
  }
}

}  // namespace

InquiryData inquiry_data(uint8_t type, std::string_view product, bool removable) {
  InquiryData data{};
  data.type = type;
  data.removable = removable ? kInquiryRemovable : 0;
  data.version = kInquiryVersionSpc4;
  data.format = kInquiryFormat;
  data.additional_length = sizeof(InquiryData) - 5;
  data.flags7 = kInquiryCommandQueue;
  std::copy_n(kVendor.begin(), data.vendor.size(), data.vendor.begin());
  std::copy_n(product.begin(), data.product.size(), data.product.begin());
  data.revision = {'1', '.', '0', ' '};
  return data;
}

void execute_inquiry(io::Reactor& reactor, ScsiRequest& request, uint8_t type,
                     const io::DiskInfo& info) noexcept {
  const auto cdb = cdb_as<InquiryCdb>(request.cdb);
  if (cdb.flags & kInquiryVitalProductData) {
    Page page(type, cdb.page);
    if (!fill_page(page, cdb.page, type, info)) {
      return end_check(reactor, request, sense::kInvalidFieldInCdb);
    }
    return end_data(reactor, request, page.finish(), cdb.allocation);
  }
  if (cdb.page != 0) return end_check(reactor, request, sense::kInvalidFieldInCdb);
  const bool is_dvd = type == kTypeCdRom;
  const InquiryData data = inquiry_data(type, is_dvd ? kDvdProduct : kDiskProduct, is_dvd);
  end_data(reactor, request, wire_bytes(data), cdb.allocation);
}

}  // namespace viridian::storvsp
