// Every disk of the machine and what shows it to the guest: the PIIX4 IDE function, and, unless
// hidden, VMBus with its SCSI controllers and the accelerators of the IDE disks.
//
// An IDE disk and its accelerator are two ways to the same BlockDevice; the guest leaves the first
// when it finds the second. Everything here is made, used and destroyed on the storage thread;
// the members are called by the main thread and go there themselves.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ide-emu/controller.h"
#include "storvsp/storvsp.h"
#include "vmbus/server.h"
#include "vmm-minimal/chipset.h"
#include "vmm-minimal/config.h"
#include "vmm-minimal/reactor_thread.h"
#include "vmm-minimal/vmbus_link.h"

namespace viridian::vmm {

class Storage {
 public:
  // Opens the images and connects the devices; all three outlive the storage.
  static Result<std::unique_ptr<Storage>> create(ReactorThread& thread, const Board& board,
                                                 Chipset& chipset, const Config& config);
  ~Storage();

  // With the vCPUs ended: requests in flight end, then every disk is flushed. The error names the
  // first disk that could not be. Nothing reaches the disks after.
  Result<void> finish();

  void append_stats(Stats& stats) const;

 private:
  struct Disk {
    DiskConfig config;
    std::unique_ptr<io::BlockDevice> image;  // null: a CD-ROM drive without a disc
  };
  struct Provider {
    std::string name;  // in the counters
    std::unique_ptr<storvsp::Controller> controller;
  };

  Storage(ReactorThread& thread, const Board& board);
  Result<void> build(Chipset& chipset, const Config& config);
  Result<void> open_disks(const Config& config);
  Result<void> connect_ide(Chipset& chipset);
  Result<void> connect_vmbus(Chipset& chipset, const Config& config);
  Result<void> add_scsi_controller(unsigned index, uint16_t max_sub_channels);
  Result<void> add_accelerators();
  void drain();
  Result<void> flush(Disk& disk);

  ReactorThread& thread_;
  Board board_;
  IrqLine primary_irq_, secondary_irq_;
  bool finished_ = false;
  std::vector<Disk> disks_;
  std::optional<ide::Controller> ide_;
  std::vector<Provider> providers_;
  std::optional<vmbus::Server> server_;
  std::optional<VmbusLink> link_;
};

}  // namespace viridian::vmm
