// A controller's requests: what a guest asks for, gets, and may ask wrongly.
#include "tests/unit/storvsp/storvsp_fixture.h"

#include "storvsp/inquiry_spec.h"

namespace viridian::storvsp {
namespace {

TEST_F(StorvspTest, ReadFillsTheGuestsPages) {
  const auto pfns = guest_.alloc_pages(3, vmbus::FakeGuest::Layout::kScattered);
  const auto answer = run(read10(8, 16), pfns, 1024);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.status.get(), packet_status::kSuccess);
  EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kSuccess);
  EXPECT_EQ(answer->packet.srb.scsi_status, 0);
  EXPECT_EQ(answer->packet.srb.data_length.get(), 8192u);
  const std::byte* disk = ram_.bytes().data() + 8 * io::kSectorSize;
  EXPECT_EQ(std::memcmp(page(pfns[0]).data() + 1024, disk, 3072), 0);
  EXPECT_EQ(std::memcmp(page(pfns[1]).data(), disk + 3072, 4096), 0);
  EXPECT_EQ(std::memcmp(page(pfns[2]).data(), disk + 7168, 1024), 0);
  EXPECT_EQ(page(pfns[0])[1023], std::byte{0});
  EXPECT_EQ(page(pfns[2])[1024], std::byte{0});
  EXPECT_EQ(controller_.statistics().bytes_read.get(), 8192u);
}

TEST_F(StorvspTest, WriteReachesTheDiskAndIsCounted) {
  const auto pfns = guest_.alloc_pages(1);
  std::memset(guest_.host_pointer(pfns[0]), 0x5a, kPageSize);
  const auto answer = run(write10(16, 8), pfns);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kSuccess);
  EXPECT_EQ(ram_.bytes()[16 * io::kSectorSize], std::byte{0x5a});
  EXPECT_EQ(ram_.bytes()[24 * io::kSectorSize - 1], std::byte{0x5a});
  EXPECT_NE(ram_.bytes()[24 * io::kSectorSize], std::byte{0x5a});
  EXPECT_EQ(controller_.statistics().bytes_written.get(), 4096u);
  EXPECT_EQ(controller_.statistics().requests.get(), 1u);
}

TEST_F(StorvspTest, LargestTransferWorksAndOnePageMoreIsRefused) {
  const size_t pages = kMaxTransferBytes / kPageSize;
  const auto pfns = guest_.alloc_pages(pages + 2, vmbus::FakeGuest::Layout::kScattered);
  const auto whole = run(read10(0, kMaxTransferBytes / 512), std::span(pfns).first(pages + 1), 512);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->packet.srb.data_length.get(), kMaxTransferBytes);
  const auto more = run(read10(0, kMaxTransferBytes / 512 + 8), std::span(pfns).first(pages + 1));
  ASSERT_TRUE(more);
  EXPECT_EQ(more->packet.srb.srb_status, srb_status::kInvalidRequest);
  EXPECT_EQ(errors(GuestError::kBadDataLength), 1u);
}

TEST_F(StorvspTest, ErrorOfTheDiskArrivesAsAutosense) {
  disk_.fail_next(io::IoOp::kRead, io::IoStatus::kMediumError);
  const auto pfns = guest_.alloc_pages(1);
  const auto answer = run(read10(0, 8), pfns);
  ASSERT_TRUE(answer);
  const Srb& srb = answer->packet.srb;
  EXPECT_EQ(srb.scsi_status, 0x02);
  EXPECT_EQ(srb.srb_status, srb_status::kError | srb_status::kAutosenseValid);
  EXPECT_EQ(srb.data_length.get(), 0u);
  EXPECT_EQ(srb.sense_length, 18);
  EXPECT_EQ(srb.cdb_or_sense[0], 0x70);
  EXPECT_EQ(srb.cdb_or_sense[2], 0x03);
  EXPECT_EQ(srb.cdb_or_sense[12], 0x11);
}

TEST_F(StorvspTest, SenseIsCutToTheRoomThatTheGuestHas) {
  SrbPacket packet = FakeStorvsc::srb(0, {0xff, 0, 0, 0, 0, 0}, 0);
  packet.srb.sense_length = 8;
  const auto cut = run(packet);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->packet.srb.sense_length, 8);
  EXPECT_EQ(cut->packet.srb.cdb_or_sense[2], 0x05);
  EXPECT_EQ(cut->packet.srb.cdb_or_sense[12], 0);
  packet.srb.sense_length = 0;
  const auto none = run(packet);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->packet.srb.srb_status, srb_status::kError);
}

TEST_F(StorvspTest, ShorterDataThanThePagesIsAllThatIsMoved) {
  const auto pfns = guest_.alloc_pages(1);
  SrbPacket packet = read10(0, 2);
  ASSERT_TRUE(driver().send(1, packet, pfns, 0, 4096));
  guest_.settle();
  const auto answer = driver().receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.srb.data_length.get(), 1024u);
  EXPECT_EQ(page(pfns[0])[1024], std::byte{0});
}

// --- LUNs as Linux scans them: scsi_scan.c -----------------------------------------------------

TEST_F(StorvspTest, AbsentUnitsAnswerInquiryAndNothingElse) {
  const auto pfns = guest_.alloc_pages(1);
  const auto check_absent = [&](auto&& address) {
    SrbPacket packet = inquiry(0);
    address(packet.srb);
    const auto answer = run(packet, pfns);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kSuccess);
    EXPECT_EQ(answer->packet.srb.data_length.get(), 36u);
    EXPECT_EQ(page(pfns[0])[0], std::byte{kTypeAbsent});
    SrbPacket ready = test_unit_ready(0);
    address(ready.srb);
    const auto refused = run(ready);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->packet.srb.srb_status, srb_status::kInvalidLun);
  };
  check_absent([](Srb& srb) { srb.lun = 1; });
  check_absent([](Srb& srb) { srb.lun = 255; });
  check_absent([](Srb& srb) { srb.target = 1; });
  check_absent([](Srb& srb) { srb.path = 7; });
}

TEST_F(StorvspTest, ReportLunsIsAnsweredByEachTarget) {
  const auto pfns = guest_.alloc_pages(1);
  SrbPacket packet = FakeStorvsc::srb(0, {0xa0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0}, 4096);
  auto answer = run(packet, pfns);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.srb.data_length.get(), 16u);
  packet.srb.target = 1;
  answer = run(packet, pfns);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kSuccess);
  EXPECT_EQ(answer->packet.srb.data_length.get(), 8u);
}

// --- packets that no driver sends --------------------------------------------------------------

TEST_F(StorvspTest, CommandLengthsThatCannotBeAreInvalidRequests) {
  for (const uint8_t length : std::vector<uint8_t>{0, 1, 9, 17, 255}) {
    const auto pfns = guest_.alloc_pages(1);
    SrbPacket packet = read10(0, 8);
    packet.srb.cdb_length = length;
    const auto answer = run(packet, pfns);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kInvalidRequest) << int{length};
    EXPECT_EQ(answer->packet.srb.data_length.get(), 0u);
  }
  EXPECT_EQ(errors(GuestError::kBadCdbLength), 5u);
}

TEST_F(StorvspTest, MoreDataThanPagesIsAnInvalidRequest) {
  const auto pfns = guest_.alloc_pages(1);
  ASSERT_TRUE(driver().send(1, read10(0, 8), pfns, 0, 4095));
  ASSERT_TRUE(driver().send(2, read10(0, 8)));  // no pages at all
  SrbPacket huge = read10(0, 8);
  huge.srb.data_length = 0xffffffffu;
  ASSERT_TRUE(driver().send(3, huge, pfns, 0, 4096));
  guest_.settle();
  for (int i = 0; i < 3; ++i) {
    const auto answer = driver().receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kInvalidRequest);
  }
  EXPECT_EQ(errors(GuestError::kBadDataLength), 3u);
}

TEST_F(StorvspTest, PagesThatAreNoMemoryAreAnInvalidRequest) {
  const std::vector<uint64_t> hole = {(16u << 20) / 4096};
  auto answer = run(read10(0, 8), hole);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kInvalidRequest);
  const std::vector<uint64_t> end = {0x000fffffffffffff};
  answer = run(read10(0, 8), end);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->packet.srb.srb_status, srb_status::kInvalidRequest);
  EXPECT_EQ(errors(GuestError::kBadMemory), 2u);
}

TEST_F(StorvspTest, ShortPacketIsAnsweredWithAnError) {
  const std::array<std::byte, 56> half{};
  ASSERT_TRUE(driver().channel().send(9, half));
  guest_.settle();
  const auto answer = driver().receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->transaction_id, 9u);
  EXPECT_EQ(answer->packet.status.get(), packet_status::kInvalidParameter);
  EXPECT_EQ(errors(GuestError::kShortPacket), 1u);
}

TEST_F(StorvspTest, UnknownOperationsAreNotSupported) {
  for (const uint32_t operation : {0u, 1u, 2u, 12u, 14u, 0xffffffffu}) {
    const auto answer = driver().control(operation);
    ASSERT_TRUE(answer) << operation;
    EXPECT_EQ(answer->operation.get(), operation::kCompleteIo);
    EXPECT_EQ(answer->status.get(), packet_status::kNotSupported);
  }
  EXPECT_EQ(errors(GuestError::kUnknownOperation), 6u);
  EXPECT_TRUE(run(test_unit_ready(0)));
}

TEST_F(StorvspTest, PacketsThatWantNoAnswerOrCarryNoRequestAreDropped) {
  const SrbPacket packet = test_unit_ready(0);
  ASSERT_TRUE(driver().channel().send(5, wire_bytes(packet), false));
  vmbus::PacketDescriptor completion;
  completion.type = vmbus::packet_type::kCompletion;
  completion.offset8 = uint16_t{2};
  completion.len8 = uint16_t{2};
  completion.transaction_id = uint64_t{6};
  ASSERT_TRUE(driver().channel().send_raw(wire_bytes(completion)));
  guest_.settle();
  EXPECT_FALSE(driver().receive());
  EXPECT_EQ(errors(GuestError::kNoCompletion), 1u);
  EXPECT_EQ(errors(GuestError::kUnknownPacket), 1u);
  EXPECT_TRUE(run(test_unit_ready(0)));
}

TEST_F(StorvspTest, ResetsAreAnsweredWithSuccess) {
  for (const uint32_t operation :
       {operation::kResetLun, operation::kResetAdapter, operation::kResetBus}) {
    const auto answer = driver().control(operation);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status.get(), packet_status::kSuccess);
  }
}

}  // namespace
}  // namespace viridian::storvsp
