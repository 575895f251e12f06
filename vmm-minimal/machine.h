// One guest: builds the whole machine from a configuration, runs it, and takes it apart in order.
// One thread only, the guest's own. A reset is a new Machine: nothing of the old one can leak into
// the new.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/reactor_thread.h"
#include "vmm-minimal/chipset.h"
#include "vmm-minimal/config.h"
#include "vmm-minimal/guest_ram.h"
#include "vmm-minimal/loader.h"
#include "vmm-minimal/stop_switch.h"
#include "vmm-minimal/storage.h"
#include "vmm-minimal/vcpu.h"

namespace viridian::vmm {

class Network;
class Nics;

// What the machines of a process share.
struct Host {
  const Kvm& kvm;
  io::ReactorThread& devices;  // carries the disks, the NICs and the VMBus servers of all
  Network* network;            // null: no machine has NICs
};

class Machine final : private GuestTsc {
 public:
  // Opens everything that `config` names; nothing is written. `console_event` is rung when the
  // serial port has output.
  static Result<std::unique_ptr<Machine>> create(const Host& host, const Config& config,
                                                 int console_event);
  ~Machine() override;

  void start();
  StopSwitch& stop() { return stop_; }
  Serial& serial() { return chipset_->serial(); }

  // When stop() has a reason: vCPUs end, requests in flight end, disks are flushed and closed.
  Result<void> finish();

  // After finish().
  Stats stats() const;
  std::string failure() const;  // what a vCPU said when it could not go on, or empty
  std::chrono::steady_clock::time_point first_entry() const { return vcpus_[0]->first_entry(); }

 private:
  Machine();
  Result<void> create_vcpus(const Kvm& kvm, const Config& config);
  Result<void> create_board(const Host& host, const Config& config, int console_event);
  Result<void> write_firmware(const Config& config);
  uint64_t read_tsc(unsigned vp) noexcept override;

  HypervFeatures hyperv_features_;  // CPUID and the MSRs must say the same
  StopSwitch stop_;
  std::optional<GuestRam> ram_;
  EntryPoint entry_{};
  std::unique_ptr<Vm> vm_;
  IoBus bus_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  std::unique_ptr<Nics> nics_;  // outlive the PCI bus; null without NICs
  std::unique_ptr<Chipset> chipset_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Vmbus> vmbus_;  // ends before the devices on it; null if hidden
};

}  // namespace viridian::vmm
