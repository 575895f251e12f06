// Random accesses to the IDE controller's ports, BAR and configuration space, with PRD tables in
// guest memory, over a RAM disk whose requests are held, failed and released. The controller must
// survive and have nothing out at the end. A step is eight bytes: what, where, sizes, a value.
#include "ide-emu/controller.h"
#include "io/fault_disk.h"
#include "io/ram_disk.h"

namespace viridian {
struct NoLine final : pci::InterruptLine {
  void set(bool) noexcept override {}
};
struct Machine {
  std::unique_ptr<io::Reactor> reactor = std::move(*io::Reactor::create());
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 16);
  GuestMemory guest;
  bool mapped = guest.add_region(Gpa{0}, memory).has_value();
  io::RamDisk ram{*reactor, 256};
};

void step(ide::Controller& ide, Machine& machine, io::FaultDisk& disk, const uint8_t* data) {
  uint32_t value;
  std::memcpy(&value, data + 4, 4);
  const unsigned where = data[1], width = 1u << data[2] % 3;
  const auto port = static_cast<uint16_t>((where & 8 ? 0x170 : 0x1F0) + where % 8);
  const auto bytes = std::span(machine.memory).first(data[3] * 8 / width * width);
  // clang-format off
  switch (data[0] % 13) {
    case 0: ide.port_read(where & 16 ? port | 0x206 : port, width); break;
    case 1: ide.port_write(port, width, value); break;
    case 2: ide.port_write(where & 8 ? 0x376 : 0x3F6, 1, value); break;
    case 3: ide.port_read_string(port & 0xFFF8, width, bytes); break;
    case 4: ide.port_write_string(port & 0xFFF8, width, bytes); break;
    case 5: ide.bar_read(4, where % 16, width); break;
    case 6: ide.bar_write(4, where % 16, width, value); break;
    case 7: ide.config_write(static_cast<uint8_t>(where & ~3u), width, value); break;
    case 8: std::memcpy(&machine.memory[where * 4], &value, 4); break;
    case 9: where & 1 ? disk.hold() : disk.release(); break;
    case 10: disk.fail_next(io::IoOp(where % 3), io::IoStatus::kMediumError); break;
    case 11: value == 0 ? ide.reset() : ide.port_write(port | 7, 1, value); break;
    default: machine.reactor->turn(false); break;
  }
  // clang-format on
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Machine machine;
  io::FaultDisk disk(*machine.reactor, machine.ram);
  NoLine line;
  ide::Controller ide(*machine.reactor, machine.guest, line, line);
  (void)ide.attach_disk(0, 0, disk, {});
  (void)ide.attach_cdrom(0, 1, &disk);
  (void)ide.attach_cdrom(1, 0, nullptr);
  ide.config_write(pci::reg::kCommand, 2, 5);
  for (; size >= 8; data += 8, size -= 8)
    step(ide, machine, disk, data);
  for (disk.release(); !ide.idle();)
    machine.reactor->turn(false);
  return 0;
}
}  // namespace viridian
