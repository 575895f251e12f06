#include "vmm-minimal/disks.h"

#include "vhd/open_disk.h"

namespace viridian::vmm {
namespace {

vhd::Format format_of(const DiskConfig& disk) {
  if (disk.cdrom) return vhd::Format::kRaw;
  switch (disk.format) {
    case DiskFormat::kRaw:
      return vhd::Format::kRaw;
    case DiskFormat::kVhd:
      return vhd::Format::kVhd;
    case DiskFormat::kAuto:
      break;
  }
  return vhd::Format::kAuto;
}

}  // namespace

Result<std::unique_ptr<io::BlockDevice>> open_image(io::Reactor& reactor, const DiskConfig& disk) {
  vhd::DiskOptions options;
  options.read_only = disk.read_only || disk.cdrom;
  options.cache = disk.cache == DiskCache::kNone ? io::CacheMode::kNone : io::CacheMode::kWriteback;
  options.policy.format = format_of(disk);
  auto opened = vhd::open_disk(reactor, disk.file, options);
  if (opened) return opened;
  return with_context(fmt::format("disk {}", to_string(disk.address)), opened.error());
}

std::string serial_number(const DiskConfig& disk) {
  if (!disk.serial.empty()) return disk.serial;
  return fmt::format("viridian-ide{}-{}", disk.address.controller, disk.address.unit);
}

}  // namespace viridian::vmm
