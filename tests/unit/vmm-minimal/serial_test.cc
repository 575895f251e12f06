#include "vmm-minimal/serial.h"

#include <gtest/gtest.h>

#include <string>

namespace viridian::vmm {
namespace {

constexpr uint16_t kData = 0x3F8, kEnable = 0x3F9, kIdentify = 0x3FA, kLineControl = 0x3FB;
constexpr uint16_t kModemControl = 0x3FC, kLineStatus = 0x3FD, kModemStatus = 0x3FE;
constexpr uint8_t kOut2 = 8, kLoopback = 0x10;

class Line final : public pci::InterruptLine {
 public:
  void set(bool asserted) noexcept override { level = asserted; }
  bool level = false;
};

class SerialPort : public testing::Test {
 protected:
  uint8_t read(uint16_t port) { return static_cast<uint8_t>(serial_->port_read(port, 1)); }
  void write(uint16_t port, uint8_t value) { serial_->port_write(port, 1, value); }
  std::string output() {
    std::array<std::byte, 100> bytes;
    const size_t count = serial_->take_output(bytes);
    std::string text;
    for (size_t i = 0; i < count; ++i)
      text += static_cast<char>(bytes[i]);
    return text;
  }
  void input(std::string_view text) {
    EXPECT_EQ(serial_->give_input(std::as_bytes(std::span(text))), text.size());
  }

  Line line_;
  std::unique_ptr<Serial> serial_ = std::make_unique<Serial>(line_, -1);
};

TEST_F(SerialPort, WrittenBytesComeOutInOrder) {
  write(kData, 'h');
  write(kData, 'i');
  EXPECT_EQ(output(), "hi");
  EXPECT_EQ(output(), "");
}

TEST_F(SerialPort, DivisorLatchHidesDataAndEnableRegisters) {
  write(kLineControl, 0x83);
  write(kData, 1);
  write(kEnable, 2);
  EXPECT_EQ(read(kData), 1);
  EXPECT_EQ(read(kEnable), 2);
  write(kLineControl, 3);
  EXPECT_EQ(output(), "");
  EXPECT_EQ(read(kEnable), 0);
}

TEST_F(SerialPort, ReceivedByteInterruptsUntilItIsRead) {
  write(kModemControl, kOut2);
  write(kEnable, 1);
  EXPECT_EQ(read(kIdentify), 1);
  input("x");
  EXPECT_TRUE(line_.level);
  EXPECT_EQ(read(kIdentify), 4);
  EXPECT_EQ(read(kLineStatus) & 1, 1);
  EXPECT_EQ(read(kData), 'x');
  EXPECT_FALSE(line_.level);
  EXPECT_EQ(read(kLineStatus) & 1, 0);
}

TEST_F(SerialPort, EnablingTheTransmitInterruptRaisesItOnceUntilTheNextByte) {
  write(kModemControl, kOut2);
  write(kEnable, 2);
  EXPECT_TRUE(line_.level);
  EXPECT_EQ(read(kIdentify), 2);
  EXPECT_FALSE(line_.level);
  EXPECT_EQ(read(kIdentify), 1);
  write(kData, 'a');
  EXPECT_TRUE(line_.level);
}

TEST_F(SerialPort, WithoutOut2TheLineStaysLow) {
  write(kEnable, 3);
  input("x");
  EXPECT_FALSE(line_.level);
  EXPECT_EQ(read(kIdentify), 4);
  write(kModemControl, kOut2);
  EXPECT_TRUE(line_.level);
}

TEST_F(SerialPort, FifoBitsShowOnceEnabled) {
  EXPECT_EQ(read(kIdentify) & 0xC0, 0);
  write(kIdentify, 1);
  EXPECT_EQ(read(kIdentify) & 0xC0, 0xC0);
  input("x");
  write(kIdentify, 3);
  EXPECT_EQ(read(kLineStatus) & 1, 0);
}

TEST_F(SerialPort, LoopbackReturnsBytesAndModemSignals) {
  write(kModemControl, kLoopback | 0x0A);
  write(kData, 'z');
  EXPECT_EQ(read(kData), 'z');
  EXPECT_EQ(output(), "");
  EXPECT_EQ(read(kModemStatus), 0x90);  // what the Linux driver's probe expects
}

TEST_F(SerialPort, FullQueueShowsABusyTransmitterAndLosesOnlyWhatIsForced) {
  for (size_t i = 0; i < Serial::kTransmitBytes; ++i)
    write(kData, 'x');
  EXPECT_EQ(read(kLineStatus) & 0x60, 0);
  write(kData, 'y');
  Stats stats;
  serial_->append_stats(stats);
  EXPECT_EQ(stats.back().name, "bytes_lost");
  EXPECT_EQ(stats.back().value, 1u);
  write(kModemControl, kOut2);
  write(kEnable, 2);
  EXPECT_FALSE(line_.level);
  EXPECT_EQ(output().size(), 100u);
  EXPECT_TRUE(line_.level);
  EXPECT_EQ(read(kLineStatus) & 0x60, 0x60);
}

TEST_F(SerialPort, InputBeyondTheQueueWaitsOutside) {
  const std::vector<std::byte> flood(Serial::kReceiveBytes + 10);
  EXPECT_EQ(serial_->give_input(flood), Serial::kReceiveBytes);
  EXPECT_EQ(serial_->input_space(), 0u);
  read(kData);
  EXPECT_EQ(serial_->input_space(), 1u);
}

}  // namespace
}  // namespace viridian::vmm
