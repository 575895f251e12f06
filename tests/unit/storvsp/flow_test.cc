// Back-pressure, closing with requests under way, units that come and go, and doorbells.
#include "tests/unit/storvsp/storvsp_fixture.h"

namespace viridian::storvsp {
namespace {

class FlowTest : public StorvspTest {
 protected:
  // Sends reads until the ring is full or `count` are sent; their transaction ids start at 1.
  size_t send_reads(size_t count, std::span<const uint64_t> pfns) {
    size_t sent = 0;
    while (sent < count && driver().send(sent + 1, read10(0, 8), pfns))
      ++sent;
    return sent;
  }
  // How often each transaction was answered with success, and the total.
  size_t collect(std::vector<unsigned>& answers) {
    size_t total = 0;
    while (const auto answer = driver().receive()) {
      EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kSuccess);
      ++answers.at(answer->transaction_id);
      ++total;
    }
    return total;
  }
};

TEST_F(FlowTest, EmptyPoolLeavesPacketsInTheRingUntilSlotsAreFree) {
  const auto pfns = guest_.alloc_pages(1);
  driver();
  disk_.hold();
  const size_t sent = send_reads(kRequestsPerChannel + 100, pfns);
  ASSERT_EQ(sent, kRequestsPerChannel + 100);
  guest_.settle();
  EXPECT_EQ(disk_.waiting(), kRequestsPerChannel);
  EXPECT_EQ(controller_.statistics().requests.get(), kRequestsPerChannel);
  EXPECT_EQ(controller_.statistics().pool_empty.get(), 1u);
  EXPECT_FALSE(driver().receive());

  disk_.release();
  std::vector<unsigned> answers(sent + 1);
  size_t total = 0;
  for (int i = 0; i < 50 && total < sent; ++i) {
    guest_.settle();
    total += collect(answers);
  }
  EXPECT_EQ(total, sent);
  for (size_t id = 1; id <= sent; ++id)
    EXPECT_EQ(answers[id], 1u) << id;
}

TEST_F(FlowTest, FullRingToTheGuestHoldsAnswersAndThenRequests) {
  // A ring of one data page takes some 40 answers.
  driver_ = std::make_unique<FakeStorvsc>(guest_, guest_.open(offers_.at(0).relid, 32, 2));
  ASSERT_TRUE(driver_->initialize());
  const auto pfns = guest_.alloc_pages(1);
  const size_t sent = send_reads(800, pfns);
  guest_.settle();
  EXPECT_GT(controller_.statistics().ring_full.get(), 0u);
  EXPECT_LT(controller_.statistics().completions.get(), 60u);
  EXPECT_LE(controller_.statistics().requests.get(), kRequestsPerChannel);
  std::vector<unsigned> answers(sent + 1);
  size_t total = 0;
  for (int i = 0; i < 200 && total < sent; ++i) {
    total += collect(answers);
    guest_.settle();
  }
  EXPECT_EQ(total, sent);
  for (size_t id = 1; id <= sent; ++id)
    EXPECT_EQ(answers[id], 1u) << id;
}

TEST_F(FlowTest, CloseWaitsForRequestsThatAreUnderWay) {
  const auto pfns = guest_.alloc_pages(1);
  driver();
  disk_.hold();
  ASSERT_EQ(send_reads(5, pfns), 5u);
  guest_.settle();
  ASSERT_EQ(disk_.waiting(), 5u);
  guest_.post(vmbus::message_type::kCloseChannel,
              vmbus::RelidMessage{{}, driver().channel().relid()});
  guest_.post(
      vmbus::message_type::kGpadlTeardown,
      vmbus::GpadlTeardown{{}, driver().channel().relid(), driver().channel().ring_gpadl()});
  // The guest gets its pages back only when no disk writes to them any more.
  EXPECT_FALSE(guest_.has_message(vmbus::message_type::kGpadlTorndown));
  disk_.release();
  EXPECT_TRUE(guest_.has_message(vmbus::message_type::kGpadlTorndown));
  EXPECT_EQ(controller_.statistics().completions.get(), 4u);  // of the handshake
  driver_ = open(offers_.at(0).relid);
  EXPECT_TRUE(driver_->initialize());
}

TEST_F(FlowTest, BrokenRingEndsTheChannelAndNothingElse) {
  const auto pfns = guest_.alloc_pages(1);
  driver();
  disk_.hold();
  ASSERT_EQ(send_reads(3, pfns), 3u);
  guest_.settle();
  driver().channel().outgoing().word(vmbus::control::kWriteIndex).store(3);
  driver().channel().ring_host();
  guest_.settle();
  disk_.release();
  guest_.settle();
  EXPECT_FALSE(driver().receive());
  driver().channel().close();
  driver_ = open(offers_.at(0).relid);
  EXPECT_TRUE(driver_->initialize());
}

// --- units that come and go --------------------------------------------------------------------

TEST_F(FlowTest, AddedDisksAreAnnouncedOnceForATurn) {
  driver();
  io::RamDisk second(*reactor_, 64), third(*reactor_, 64);
  ASSERT_TRUE(controller_.add_disk(1, second));
  ASSERT_TRUE(controller_.add_disk(2, third));
  guest_.settle();
  const auto told = driver().receive();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->transaction_id, 0u);
  EXPECT_EQ(told->packet.operation.get(), operation::kEnumerateBus);
  EXPECT_FALSE(driver().receive());
  const auto ready = run(test_unit_ready(2));
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->packet.srb.srb_status, srb_status::kSuccess);
}

TEST_F(FlowTest, RemovedDiskIsAnnouncedAndFreedAfterItsLastRequest) {
  const auto pfns = guest_.alloc_pages(1);
  driver();
  disk_.hold();
  ASSERT_EQ(send_reads(1, pfns), 1u);
  guest_.settle();
  Flag removed;
  ASSERT_TRUE(controller_.remove(0, removed));
  guest_.settle();
  EXPECT_FALSE(removed.ran);
  EXPECT_EQ(driver().receive()->packet.operation.get(), operation::kEnumerateBus);
  disk_.release();
  guest_.settle();
  EXPECT_TRUE(removed.ran);
  EXPECT_EQ(driver().receive()->packet.srb.srb_status, srb_status::kSuccess);
  const auto gone = run(test_unit_ready(0));
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->packet.srb.srb_status, srb_status::kInvalidLun);
  EXPECT_FALSE(controller_.remove(0, removed));
}

TEST_F(FlowTest, ChangesBeforeTheHandshakeAreNotAnnounced) {
  driver_ = open(offers_.at(0).relid);
  io::RamDisk second(*reactor_, 64);
  ASSERT_TRUE(controller_.add_disk(1, second));
  guest_.settle();
  EXPECT_FALSE(driver_->receive());
  EXPECT_TRUE(driver_->initialize());
  Flag removed;
  ASSERT_TRUE(controller_.remove(1, removed));
  guest_.settle();
}

// storvsc_handle_error(): Linux rescans the capacity at 2A/09.
TEST_F(FlowTest, ResizedDiskRaisesAUnitAttentionAndIsAnnounced) {
  driver();
  ASSERT_TRUE(controller_.resized(0));
  guest_.settle();
  EXPECT_EQ(driver().receive()->packet.operation.get(), operation::kEnumerateBus);
  const auto told = run(test_unit_ready(0));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->packet.srb.srb_status, srb_status::kError | srb_status::kAutosenseValid);
  EXPECT_EQ(told->packet.srb.cdb_or_sense[2], 0x06);
  EXPECT_EQ(told->packet.srb.cdb_or_sense[12], 0x2a);
  EXPECT_EQ(told->packet.srb.cdb_or_sense[13], 0x09);
  EXPECT_EQ(run(test_unit_ready(0))->packet.srb.srb_status, srb_status::kSuccess);
  EXPECT_FALSE(controller_.resized(9));
}

TEST_F(FlowTest, DiskWithoutSectorsIsRefused) {
  io::RamDisk nothing(*reactor_, 0);
  EXPECT_FALSE(controller_.add_disk(1, nothing));
}

TEST_F(FlowTest, DvdAnswersOnItsOwnUnit) {
  io::RamDisk image(*reactor_, 64, true);
  ASSERT_TRUE(controller_.add_dvd(5, image));
  const auto pfns = guest_.alloc_pages(1);
  ASSERT_TRUE(run(inquiry(5), pfns));
  EXPECT_EQ(page(pfns[0])[0], std::byte{5});
  Flag removed;
  ASSERT_TRUE(controller_.remove(5, removed));
  guest_.settle();
}

// --- doorbells ---------------------------------------------------------------------------------

TEST_F(FlowTest, GuestUnderLoadNeedsNoDoorbell) {
  const auto pfns = guest_.alloc_pages(1);
  std::vector<unsigned> answers(33);
  ASSERT_EQ(send_reads(32, pfns), 32u);
  reactor_->turn(false);
  const uint64_t rung = driver().channel().doorbells();
  for (int round = 0; round < 100; ++round) {
    size_t total = 0;
    for (int i = 0; i < 20 && total < 32; ++i) {
      reactor_->turn(false);
      total += collect(answers);
    }
    ASSERT_EQ(total, 32u) << round;
    ASSERT_EQ(send_reads(32, pfns), 32u);
  }
  EXPECT_EQ(driver().channel().doorbells(), rung);
  EXPECT_GE(controller_.statistics().polled.get(), 32u * 99);
}

TEST_F(FlowTest, IdleChannelAsksForTheDoorbellAgain) {
  const auto pfns = guest_.alloc_pages(1);
  ASSERT_EQ(send_reads(32, pfns), 32u);
  const auto& mask = driver().channel().outgoing().word(vmbus::control::kInterruptMask);
  guest_.settle();
  EXPECT_NE(mask.load(), 0u);
  for (uint32_t i = 0; i < kEmptyPolls + 10; ++i)
    reactor_->turn(false);
  EXPECT_EQ(mask.load(), 0u);
  std::vector<unsigned> answers(33);
  EXPECT_EQ(collect(answers), 32u);
  EXPECT_TRUE(run(test_unit_ready(0)));
}

}  // namespace
}  // namespace viridian::storvsp
