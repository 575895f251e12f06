// Every disk of the machine and what shows it to the guest: the PIIX4 IDE function, and, unless
// VMBus is hidden, SCSI controllers and the accelerators of the IDE disks.
//
// An IDE disk and its accelerator are two ways to the same BlockDevice; the guest leaves the first
// when it finds the second. Everything here is made, used and destroyed on the device thread;
// the members are called by the guest's own thread and go there themselves.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ide-emu/controller.h"
#include "io/reactor_thread.h"
#include "storvsp/storvsp.h"
#include "vmm-minimal/chipset.h"
#include "vmm-minimal/config.h"
#include "vmm-minimal/vmbus.h"

namespace viridian::vmm {

class Storage {
 public:
  // Opens the images and connects the devices. Thread and board outlive the storage; `vmbus` (null:
  // hidden) ends before it.
  static Result<std::unique_ptr<Storage>> create(io::ReactorThread& thread, const Board& board,
                                                 Chipset& chipset, Vmbus* vmbus,
                                                 const Config& config);
  ~Storage();

  // With the vCPUs ended and VMBus closed: requests in flight end, then every disk is flushed. The
  // error names the first disk that could not be. Nothing reaches the disks after.
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

  Storage(io::ReactorThread& thread, const Board& board);
  Result<void> build(Chipset& chipset, Vmbus* vmbus, const Config& config);
  Result<void> open_disks(const Config& config);
  Result<void> connect_ide(Chipset& chipset);
  Result<void> connect_vmbus(vmbus::Server& server, const Config& config);
  Result<void> add_scsi_controller(vmbus::Server& server, unsigned index,
                                   uint16_t max_sub_channels);
  Result<void> add_accelerators(vmbus::Server& server);
  void drain();
  Result<void> flush(Disk& disk);

  io::ReactorThread& thread_;
  Board board_;
  IrqLine primary_irq_, secondary_irq_;
  bool finished_ = false;
  std::vector<Disk> disks_;
  std::optional<ide::Controller> ide_;
  std::vector<Provider> providers_;
};

}  // namespace viridian::vmm
