#include "vmm-minimal/storage.h"

#include "vmm-minimal/disks.h"
#include "vmm-minimal/memory_map.h"

namespace viridian::vmm {
namespace {

constexpr unsigned kPiix4Device = 1, kPiix4IdeFunction = 1;

std::string_view describe(io::IoStatus status) {
  switch (status) {
    case io::IoStatus::kNoSpace:
      return "no space left";
    case io::IoStatus::kMediumError:
      return "the host could not write";
    default:
      return "failed";
  }
}

struct FlushRequest : io::IoRequest {
  bool ended = false;
};

}  // namespace

Storage::Storage(io::ReactorThread& thread, const Board& board)
    : thread_(thread),
      board_(board),
      primary_irq_(board.vm, kIdePrimaryGsi),
      secondary_irq_(board.vm, kIdeSecondaryGsi) {}

Result<std::unique_ptr<Storage>> Storage::create(io::ReactorThread& thread, const Board& board,
                                                 Chipset& chipset, Vmbus* vmbus,
                                                 const Config& config) {
  std::unique_ptr<Storage> storage(new Storage(thread, board));
  Result<void> built;
  thread.call([&] { built = storage->build(chipset, vmbus, config); });
  if (!built) return Unexpected(built.error());
  return storage;
}

Result<void> Storage::build(Chipset& chipset, Vmbus* vmbus, const Config& config) {
  VIRIDIAN_TRY(open_disks(config));
  VIRIDIAN_TRY(connect_ide(chipset));
  if (vmbus == nullptr) return {};
  return connect_vmbus(vmbus->server(), config);
}

Result<void> Storage::open_disks(const Config& config) {
  for (const DiskConfig& disk : config.disks) {
    disks_.push_back({.config = disk, .image = nullptr});
    if (disk.file.empty()) continue;
    auto image = open_image(thread_.reactor(), disk);
    if (!image) return Unexpected(image.error());
    disks_.back().image = std::move(*image);
  }
  return {};
}

Result<void> Storage::connect_ide(Chipset& chipset) {
  ide_.emplace(thread_.reactor(), board_.memory, primary_irq_, secondary_irq_);
  for (Disk& disk : disks_) {
    const DiskAddress& address = disk.config.address;
    if (address.bus != DiskBus::kIde) continue;
    ide::DriveIdentity identity;
    identity.serial = serial_number(disk.config);
    if (disk.config.cdrom) {
      identity.model = "Viridian DVD-ROM";
      VIRIDIAN_TRY(
          ide_->attach_cdrom(address.controller, address.unit, disk.image.get(), identity));
    } else {
      VIRIDIAN_TRY(ide_->attach_disk(address.controller, address.unit, *disk.image, identity));
    }
  }
  VIRIDIAN_TRY(board_.bus.add("ide", *ide_));
  return chipset.pci().add(kPiix4Device, kPiix4IdeFunction, "ide-bus-master", *ide_);
}

Result<void> Storage::connect_vmbus(vmbus::Server& server, const Config& config) {
  if (config.vmbus_ide) VIRIDIAN_TRY(add_accelerators(server));
  const auto sub_channels = static_cast<uint16_t>(config.cpus - 1);
  for (unsigned index = 0; index < kScsiControllers; ++index) {
    VIRIDIAN_TRY(add_scsi_controller(server, index, sub_channels));
  }
  return {};
}

Result<void> Storage::add_accelerators(vmbus::Server& server) {
  for (Disk& disk : disks_) {
    const DiskAddress& address = disk.config.address;
    if (address.bus != DiskBus::kIde || disk.config.cdrom) continue;
    const auto identity = storvsp::ide_identity(static_cast<uint8_t>(address.controller),
                                                static_cast<uint8_t>(address.unit));
    auto controller = std::make_unique<storvsp::Controller>(thread_.reactor(), identity);
    VIRIDIAN_TRY(controller->add_disk(0, *disk.image));
    VIRIDIAN_TRY(server.offer(*controller));
    providers_.push_back(
        {.name = "storvsp " + to_string(address), .controller = std::move(controller)});
  }
  return {};
}

// A controller without disks is not offered.
Result<void> Storage::add_scsi_controller(vmbus::Server& server, unsigned index,
                                          uint16_t max_sub_channels) {
  auto controller = std::make_unique<storvsp::Controller>(
      thread_.reactor(), storvsp::scsi_identity(index, max_sub_channels));
  bool has_disks = false;
  for (Disk& disk : disks_) {
    const DiskAddress& address = disk.config.address;
    if (address.bus != DiskBus::kScsi || address.controller != index) continue;
    has_disks = true;
    VIRIDIAN_TRY(disk.config.cdrom ? controller->add_dvd(address.unit, *disk.image)
                                   : controller->add_disk(address.unit, *disk.image));
  }
  if (!has_disks) return {};
  VIRIDIAN_TRY(server.offer(*controller));
  providers_.push_back(
      {.name = fmt::format("storvsp scsi{}", index), .controller = std::move(controller)});
  return {};
}

void Storage::drain() {
  if (ide_) thread_.reactor().run_until([&] { return ide_->idle(); });
}

Result<void> Storage::flush(Disk& disk) {
  if (disk.image == nullptr || disk.image->info().read_only) return {};
  FlushRequest request;
  request.op = io::IoOp::kFlush;
  request.done = [](io::IoRequest& self) noexcept {
    static_cast<FlushRequest&>(self).ended = true;
  };
  disk.image->submit(request);
  thread_.reactor().run_until([&] { return request.ended; });
  if (request.status == io::IoStatus::kOk) return {};
  return fail(ErrorKind::kIo, "disk {}: {}: the last flush: {}; the newest data may be lost",
              to_string(disk.config.address), disk.config.file, describe(request.status));
}

Result<void> Storage::finish() {
  Result<void> result;
  if (std::exchange(finished_, true)) return result;
  thread_.call([&] {
    drain();
    for (Disk& disk : disks_) {
      auto flushed = flush(disk);
      if (!flushed && result) result = std::move(flushed);
    }
  });
  return result;
}

Storage::~Storage() {
  thread_.call([this] {
    if (!finished_) drain();
    providers_.clear();
    ide_.reset();
    disks_.clear();
  });
}

void Storage::append_stats(Stats& stats) const {
  stats.push_back({"interrupts", "ide0", primary_irq_.rises()});
  stats.push_back({"interrupts", "ide1", secondary_irq_.rises()});
  for (unsigned channel = 0; channel < 2; ++channel) {
    const ide::ChannelCounters counters = ide_->counters(channel);
    const std::pair<const char*, uint64_t> columns[] = {
        {"pio_reads", counters.pio_reads},
        {"pio_writes", counters.pio_writes},
        {"dma_reads", counters.dma_reads},
        {"dma_writes", counters.dma_writes},
        {"flushes", counters.flushes},
        {"packets", counters.packets},
        {"other_commands", counters.other_commands},
        {"aborted", counters.aborted},
        {"register_reads", counters.register_reads},
        {"register_writes", counters.register_writes},
        {"data_port_accesses", counters.data_port_accesses},
        {"bytes_read", counters.bytes_read},
        {"bytes_written", counters.bytes_written},
        {"disk_requests", counters.disk_requests},
        {"interrupts", counters.interrupts},
        {"guest_errors", counters.bad_prd_tables},
    };
    for (const auto& [name, value] : columns) {
      if (value != 0) stats.push_back({fmt::format("ide{}", channel), name, value});
    }
  }
  for (const Provider& provider : providers_) {
    const storvsp::Statistics& numbers = provider.controller->statistics();
    const std::pair<const char*, uint64_t> columns[] = {
        {"requests", numbers.requests.get()},     {"completions", numbers.completions.get()},
        {"bytes_read", numbers.bytes_read.get()}, {"bytes_written", numbers.bytes_written.get()},
        {"wakes", numbers.wakes.get()},           {"polled", numbers.polled.get()},
        {"pool_empty", numbers.pool_empty.get()}, {"ring_full", numbers.ring_full.get()},
        {"guest_errors", numbers.errors.total()},
    };
    for (const auto& [name, value] : columns)
      stats.push_back({provider.name, name, value});
  }
}

}  // namespace viridian::vmm
