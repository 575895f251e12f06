// A vCPU's thread drives the ports while a reactor's thread completes requests: what the thread
// sanitizer is to see.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/unit/ide-emu/fake_guest.h"

namespace viridian::ide {
namespace {

// An interrupt line that a thread can wait for.
class WaitingLine final : public pci::InterruptLine {
 public:
  void set(bool asserted) noexcept override {
    const std::lock_guard hold(mutex_);
    level_ = asserted;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return level_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool level_ = false;
};

class ThreadTest : public testing::Test {
 protected:
  static constexpr uint32_t kTable = 0x1000, kData = 0x2000;

  ThreadTest() {
    EXPECT_TRUE(memory_.add_region(Gpa{0}, bytes_));
    EXPECT_TRUE(controller_.attach_disk(0, 0, disk_, {}));
    pci::GateHold hold(controller_.gate());
    controller_.config_write(pci::reg::kCommand, 2, 5);
  }
  ~ThreadTest() override { thread_.request_stop(); }

  void put_table(uint16_t bytes) {
    EXPECT_TRUE(memory_.write(Gpa{kTable}, PrdEntry{kData, bytes, kPrdEndOfTable}));
  }
  void dma(unsigned code, bool to_memory, uint64_t lba) {
    ide_.set48(lba, 4);
    ide_.prepare_dma(kTable, to_memory);
    ide_.out(port::kCommand, code);
    ide_.start();
    line_.wait();
    EXPECT_EQ(ide_.in(port::kStatus), status_bit::kIdle);
    ide_.stop();
  }

  std::unique_ptr<io::Reactor> reactor_ = std::move(*io::Reactor::create());
  std::vector<std::byte> bytes_ = std::vector<std::byte>(1 << 16);
  GuestMemory memory_;
  io::RamDisk disk_{*reactor_, 1024};
  WaitingLine line_, line_2_;
  Controller controller_{*reactor_, memory_, line_, line_2_};
  GuestChannel ide_{controller_, *reactor_, 0};
  std::jthread thread_{[this](const std::stop_token& stop) { reactor_->run(stop); }};
};

TEST_F(ThreadTest, WritesByDmaComeBackByDmaAndByPio) {
  put_table(2048);
  for (unsigned round = 0; round < 64; ++round) {
    std::vector<std::byte> wanted(2048, static_cast<std::byte>(round + 1));
    std::copy(wanted.begin(), wanted.end(), bytes_.begin() + kData);
    dma(command::kWriteDmaExt, false, 4 * round);
    std::fill_n(bytes_.begin() + kData, 2048, std::byte{0});
    dma(command::kReadDmaExt, true, 4 * round);
    EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), bytes_.begin() + kData));
    ide_.set28(4 * round, 1);
    ide_.out(port::kCommand, command::kReadSectors);
    line_.wait();
    EXPECT_EQ(ide_.in(port::kStatus), status_bit::kIdle | status_bit::kDrq);
    EXPECT_EQ(ide_.ins(512), std::vector<std::byte>(512, static_cast<std::byte>(round + 1)));
  }
}

TEST_F(ThreadTest, ResetsAtAnyMomentLeaveADriveThatWorks) {
  put_table(2048);
  for (unsigned round = 0; round < 200; ++round) {
    ide_.set48(0, 4);
    ide_.prepare_dma(kTable, true);
    ide_.out(port::kCommand, command::kReadDmaExt);
    ide_.start();
    for (unsigned i = 0; i < round % 7; ++i)
      ide_.alternate_status();
    ide_.stop();
    ide_.control(control_bit::kSoftReset);
    ide_.control(0);
    while ((ide_.alternate_status() & status_bit::kBusy) != 0)
      std::this_thread::yield();
    EXPECT_EQ(ide_.in(port::kStatus), status_bit::kIdle);
  }
  dma(command::kReadDmaExt, true, 0);
  EXPECT_TRUE(controller_.idle());
}

}  // namespace
}  // namespace viridian::ide
