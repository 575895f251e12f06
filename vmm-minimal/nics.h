// The NICs of one machine, emulated ones on its PCI bus and synthetic ones on its VMBus, each on a
// port of a switch of the process (network.h).
//
// The devices are made, used and destroyed on the device thread; the members are called by the
// guest's own thread and go there themselves.
#pragma once

#include <memory>
#include <vector>

#include "netvsp/netvsp.h"
#include "nic-21140/nic.h"
#include "vmm-minimal/network.h"
#include "vmm-minimal/vmbus.h"

namespace viridian::vmm {

class Nics {
 public:
  // `network` and the board outlive the NICs, the NICs outlive PCI bus and `vmbus` (null: hidden).
  static Result<std::unique_ptr<Nics>> create(Network& network, const Board& board, PciBus& bus,
                                              Vmbus* vmbus, const Config& guest);
  ~Nics();  // with the vCPUs ended

  void append_stats(Stats& stats) const;

 private:
  // One of the two devices is there.
  struct Nic {
    std::string name{};
    std::unique_ptr<IrqLine> line{};
    std::unique_ptr<tulip::Nic> emulated{};
    std::unique_ptr<netvsp::Adapter> synthetic{};
    Network::Plug plug{};
  };

  Nics(Network& network, const Board& board) : network_(network), board_(board) {}
  Result<void> add(PciBus& bus, Vmbus* vmbus, const Config& guest, const NetConfig& nic);
  Result<void> make_emulated(Nic& nic, const NetConfig& config);
  void make_synthetic(Nic& nic, const Config& guest, const NetConfig& config);
  Result<void> plug_in(Nic& nic, const Config& guest, const NetConfig& config);

  Network& network_;
  Board board_;
  std::vector<Nic> nics_;
};

}  // namespace viridian::vmm
