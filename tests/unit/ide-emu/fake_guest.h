// A guest that drives the controller's ports as libata does, on a machine of one megabyte of memory
// with a disk on ide0:0. The test's thread is vCPU and reactor in turns: waiting turns the reactor.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "ide-emu/ata_spec.h"
#include "ide-emu/controller.h"
#include "io/fault_disk.h"
#include "io/ram_disk.h"

namespace viridian::ide {

class LineRecorder final : public pci::InterruptLine {
 public:
  void set(bool asserted) noexcept override {
    if (asserted && !level_) ++rises_;
    level_ = asserted;
  }
  bool level() const { return level_; }
  unsigned rises() const { return rises_; }

 private:
  bool level_ = false;
  unsigned rises_ = 0;
};

// The ports of one channel and the bus master's part of it.
class GuestChannel {
 public:
  GuestChannel(Controller& controller, io::Reactor& reactor, unsigned index)
      : controller_(controller),
        reactor_(reactor),
        base_(index == 0 ? 0x1F0 : 0x170),
        bar_offset_(8 * index) {}

  uint8_t in(unsigned offset) {
    pci::GateHold hold(controller_.gate());
    return static_cast<uint8_t>(controller_.port_read(static_cast<uint16_t>(base_ + offset), 1));
  }
  void out(unsigned offset, unsigned value) {
    pci::GateHold hold(controller_.gate());
    controller_.port_write(static_cast<uint16_t>(base_ + offset), 1, value & 0xFF);
  }
  uint8_t alternate_status() {
    pci::GateHold hold(controller_.gate());
    return static_cast<uint8_t>(controller_.port_read(static_cast<uint16_t>(base_ + 0x206), 1));
  }
  void control(unsigned value) {
    pci::GateHold hold(controller_.gate());
    controller_.port_write(static_cast<uint16_t>(base_ + 0x206), 1, value);
  }
  uint32_t bar_in(unsigned offset, unsigned width = 1) {
    pci::GateHold hold(controller_.gate());
    return controller_.bar_read(4, bar_offset_ + offset, width);
  }
  void bar_out(unsigned offset, uint32_t value, unsigned width = 1) {
    pci::GateHold hold(controller_.gate());
    controller_.bar_write(4, bar_offset_ + offset, width, value);
  }

  // Turns the reactor until BSY is clear; the alternate status then.
  uint8_t wait() {
    for (int i = 0; i < 100000 && (alternate_status() & status_bit::kBusy) != 0; ++i)
      reactor_.turn(false);
    return alternate_status();
  }

  std::vector<std::byte> ins(size_t bytes, unsigned width = 4) {
    std::vector<std::byte> into(bytes);
    pci::GateHold hold(controller_.gate());
    controller_.port_read_string(static_cast<uint16_t>(base_), width, into);
    return into;
  }
  void outs(std::span<const std::byte> bytes, unsigned width = 4) {
    pci::GateHold hold(controller_.gate());
    controller_.port_write_string(static_cast<uint16_t>(base_), width, bytes);
  }

  void select(unsigned drive) { out(port::kDevice, 0xE0 | drive << 4); }
  void set28(uint64_t lba, unsigned count, unsigned drive = 0) {
    out(port::kDevice, static_cast<unsigned>(0xE0 | drive << 4 | ((lba >> 24) & 0xF)));
    out(port::kCount, count);
    set_low(lba);
  }
  void set48(uint64_t lba, unsigned count, unsigned drive = 0) {
    select(drive);
    out(port::kCount, count >> 8);
    set_low((lba >> 24) & 0xFFFFFF);
    out(port::kCount, count & 0xFF);
    set_low(lba & 0xFFFFFF);
  }
  uint8_t command(unsigned code) {
    out(port::kCommand, code);
    return wait();
  }

  struct Prd {
    uint32_t address;
    uint16_t bytes;
    uint16_t flags = 0;
  };
  // Programs the bus master; `start()` sets it off.
  void prepare_dma(uint32_t table, bool to_memory) {
    bar_out(bus_master::kTable, table, 4);
    bar_out(bus_master::kStatus, bar_in(bus_master::kStatus) | 6);
    direction_ = to_memory ? bus_master::kToMemory : 0;
    bar_out(bus_master::kCommand, direction_);
  }
  void start() { bar_out(bus_master::kCommand, direction_ | bus_master::kStart); }
  void stop() { bar_out(bus_master::kCommand, direction_); }

 private:
  void set_low(uint64_t lba) {
    out(port::kLbaLow, static_cast<unsigned>(lba & 0xFF));
    out(port::kLbaMid, static_cast<unsigned>((lba >> 8) & 0xFF));
    out(port::kLbaHigh, static_cast<unsigned>((lba >> 16) & 0xFF));
  }

  Controller& controller_;
  io::Reactor& reactor_;
  unsigned base_;
  uint32_t bar_offset_;
  uint32_t direction_ = 0;
};

class IdeTest : public testing::Test {
 protected:
  static constexpr uint64_t kSectors = 8192;
  static constexpr size_t kPatternBytes = 256 * 512;  // at the disk's start; the rest is zero
  static constexpr uint32_t kTable = 0x1000, kData = 0x10000;
  static constexpr uint8_t kReady = status_bit::kIdle;
  static constexpr uint8_t kError = status_bit::kIdle | status_bit::kErr;
  static constexpr uint8_t kDataRequest = status_bit::kIdle | status_bit::kDrq;

  IdeTest() {
    EXPECT_TRUE(memory_.add_region(Gpa{0}, memory_bytes_));
    EXPECT_TRUE(controller_.attach_disk(0, 0, disk_, {.serial = "S1"}));
    std::byte* bytes = ram_.bytes().data();
    for (size_t i = 0; i < kPatternBytes; ++i)
      bytes[i] = static_cast<std::byte>(i / 512 + i * 7);
    pci::GateHold hold(controller_.gate());
    controller_.config_write(pci::reg::kCommand, 2,
                             pci::command::kIoSpace | pci::command::kBusMaster);
  }
  ~IdeTest() override {
    disk_.release();
    while (!controller_.idle())
      reactor_->turn(false);
  }

  std::vector<std::byte> sectors(uint64_t first, size_t count) {
    const auto bytes = ram_.bytes().subspan(first * 512, count * 512);
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> guest_bytes(uint32_t address, size_t count) {
    const std::byte* const first = memory_bytes_.data() + address;
    return {first, first + count};
  }
  void put_prds(const std::vector<GuestChannel::Prd>& prds, uint32_t table = kTable) {
    for (const auto& prd : prds) {
      EXPECT_TRUE(memory_.write(Gpa{table}, PrdEntry{prd.address, prd.bytes, prd.flags}));
      table += 8;
    }
  }
  // Lets everything run that is ready.
  void settle() {
    for (int i = 0; i < 20; ++i)
      reactor_->turn(false);
  }
  // A DMA command as libata issues it: engine prepared, command, engine started.
  uint8_t dma(unsigned code, bool to_memory) {
    ide_.prepare_dma(kTable, to_memory);
    ide_.out(port::kCommand, code);
    ide_.start();
    return ide_.wait();
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  std::vector<std::byte> memory_bytes_ = std::vector<std::byte>(1 << 20);
  GuestMemory memory_;
  io::RamDisk ram_{*reactor_, kSectors};
  io::FaultDisk disk_{*reactor_, ram_};
  LineRecorder line_, line_2_;
  Controller controller_{*reactor_, memory_, line_, line_2_};
  GuestChannel ide_{controller_, *reactor_, 0};
  GuestChannel ide_2_{controller_, *reactor_, 1};
};

}  // namespace viridian::ide
