// COM1: the registers of a 16550A UART (National Semiconductor PC16550D data sheet) in front of two
// byte queues. Registers are used on vCPU threads with gate() held; the console's thread feeds
// received bytes and takes what the guest sent.
//
// A slow reader never stops the guest: a full queue shows as a busy transmitter, and a guest that
// writes on regardless loses bytes, which are counted. Left out: baud rate, parity, modem lines.
#pragma once

#include <array>
#include <cstdint>

#include "io/unique_fd.h"
#include "pci/interrupt_line.h"
#include "pci/port_io.h"
#include "vmm-minimal/byte_queue.h"
#include "vmm-minimal/counters.h"

namespace viridian::vmm {

class Serial final : public pci::PortDevice {
 public:
  static constexpr size_t kTransmitBytes = 64 << 10;
  static constexpr size_t kReceiveBytes = 4 << 10;

  // `output_event` (an eventfd, or -1) is written when the transmit queue stops being empty.
  Serial(pci::InterruptLine& irq, int output_event);

  // The console's side, any thread; these take the gate.
  size_t take_output(std::span<std::byte> into) noexcept;
  size_t give_input(std::span<const std::byte> bytes) noexcept;  // how many fitted
  size_t input_space() const noexcept;

  std::span<const pci::PortRange> port_ranges() const noexcept override;
  pci::Gate& gate() noexcept override { return gate_; }
  uint32_t port_read(uint16_t port, unsigned width) noexcept override;
  void port_write(uint16_t port, unsigned width, uint32_t value) noexcept override;

  void append_stats(Stats& stats) const;

 private:
  uint8_t read_register(unsigned index) noexcept;
  void write_register(unsigned index, uint8_t value) noexcept;
  void transmit(uint8_t byte) noexcept;
  uint8_t line_status() const noexcept;
  uint8_t modem_status() const noexcept;
  uint8_t interrupt_cause() const noexcept;
  void update_interrupt() noexcept;

  pci::InterruptLine& irq_;
  int output_event_;
  mutable pci::Gate gate_;
  ByteQueue<kTransmitBytes> transmitted_;
  ByteQueue<kReceiveBytes> received_;
  uint8_t interrupt_enable_ = 0, fifo_control_ = 0, line_control_ = 0;
  uint8_t modem_control_ = 0, scratch_ = 0;
  uint16_t divisor_ = 12;
  bool transmit_empty_pending_ = false;  // the THRE interrupt, until IIR is read or a byte written
  uint64_t bytes_out_ = 0, bytes_in_ = 0, bytes_lost_ = 0;
};

}  // namespace viridian::vmm
