// A guest with a controller and a disk on LUN 0, over real rings, in one thread.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "io/fault_disk.h"
#include "io/ram_disk.h"
#include "storvsp/limits.h"
#include "storvsp/storvsp.h"
#include "tests/fakes/fake_storvsc.h"
#include "vmbus/server.h"

namespace viridian::storvsp {

struct Flag : io::Completion {
  Flag()
      : io::Completion([](io::Completion& self) noexcept { static_cast<Flag&>(self).ran = true; }) {
  }
  bool ran = false;
};

class StorvspTest : public testing::Test {
 protected:
  static constexpr uint64_t kSectors = 4096;

  explicit StorvspTest(const Identity& identity = scsi_identity(0, 3))
      : controller_(*reactor_, identity) {
    for (size_t i = 0; i < ram_.bytes().size(); ++i)
      ram_.bytes()[i] = static_cast<std::byte>(i / io::kSectorSize + i % 253);
    EXPECT_TRUE(controller_.add_disk(0, disk_));
    guest_.attach(server_);
    EXPECT_TRUE(server_.offer(controller_));
    EXPECT_NE(guest_.connect(), 0u);
    offers_ = guest_.request_offers();
  }
  ~StorvspTest() override {
    disk_.release();
    Flag done;
    server_.reset(done);
    reactor_->run_until([&] { return done.ran; });
    guest_.settle();
  }

  std::unique_ptr<FakeStorvsc> open(uint32_t relid) {
    return std::make_unique<FakeStorvsc>(guest_, guest_.open(relid));
  }
  // The primary channel, after its handshake.
  FakeStorvsc& driver() {
    if (!driver_) {
      driver_ = open(offers_.at(0).relid);
      EXPECT_TRUE(driver_->initialize());
    }
    return *driver_;
  }
  std::optional<StorAnswer> run(const SrbPacket& packet, std::span<const uint64_t> pfns = {},
                                uint32_t offset = 0) {
    EXPECT_TRUE(driver().send(1, packet, pfns, offset));
    guest_.settle();
    const auto answer = driver().receive();
    if (answer) {
      EXPECT_EQ(answer->transaction_id, 1u);
      EXPECT_EQ(answer->packet.operation.get(), operation::kCompleteIo);
    }
    EXPECT_FALSE(driver().receive()) << "answered twice";
    return answer;
  }
  std::span<const std::byte> page(uint64_t pfn) { return {guest_.host_pointer(pfn), kPageSize}; }
  uint64_t errors(GuestError why) const { return controller_.statistics().errors.of(why); }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  io::RamDisk ram_{*reactor_, kSectors};
  io::FaultDisk disk_{*reactor_, ram_};
  vmbus::FakeGuest guest_{*reactor_};
  Controller controller_;
  vmbus::Server server_{*reactor_, guest_.memory(), guest_};
  std::vector<vmbus::OfferChannel> offers_;
  std::unique_ptr<FakeStorvsc> driver_;
};

// READ (10) and WRITE (10) of `blocks` blocks at `lba`.
inline SrbPacket read10(uint32_t lba, uint16_t blocks, uint8_t lun = 0) {
  return FakeStorvsc::srb(
      lun,
      {0x28, 0, static_cast<uint8_t>(lba >> 24), static_cast<uint8_t>(lba >> 16),
       static_cast<uint8_t>(lba >> 8), static_cast<uint8_t>(lba), 0,
       static_cast<uint8_t>(blocks >> 8), static_cast<uint8_t>(blocks), 0},
      blocks * io::kSectorSize);
}
inline SrbPacket write10(uint32_t lba, uint16_t blocks, uint8_t lun = 0) {
  SrbPacket packet = read10(lba, blocks, lun);
  packet.srb.cdb_or_sense[0] = opcode::kWrite10;
  return packet;
}
inline SrbPacket inquiry(uint8_t lun) { return FakeStorvsc::srb(lun, {0x12, 0, 0, 0, 36, 0}, 36); }
inline SrbPacket test_unit_ready(uint8_t lun) {
  return FakeStorvsc::srb(lun, {0, 0, 0, 0, 0, 0}, 0);
}

}  // namespace viridian::storvsp
