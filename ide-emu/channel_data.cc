// How a channel moves data: DRQ blocks through the buffer, bus-master DMA straight to and from
// guest memory, and the disk request behind both.
#include <algorithm>
#include <cstring>
#include <utility>

#include "ide-emu/channel.h"

namespace viridian::ide {

using Flow = Transfer::Flow;

// The next step of a transfer that goes through the buffer, or its end.
void Channel::next_data() noexcept {
  position_ = 0;
  if (!transfer_.disk) {
    filled_ = std::exchange(transfer_.bytes, 0);
    if (filled_ == 0) return finish(io::IoStatus::kOk);
    return offer_block(transfer_.flow == Flow::kIn);
  }
  phase_ = Phase::kBusy;
  if (transfer_.op == io::IoOp::kFlush) return submit({}, 0);
  if (transfer_.sectors_left == 0) return finish(io::IoStatus::kOk);
  const auto sectors =
      static_cast<uint32_t>(std::min<uint64_t>(transfer_.sectors_left, transfer_.request_sectors));
  filled_ = sectors * io::kSectorSize;
  if (transfer_.flow == Flow::kOut) return offer_block(begun_);
  segments_[0] = {buffer_.data(), filled_};
  submit(std::span(segments_).first(1), sectors);
}

void Channel::offer_block(bool interrupt) noexcept {
  block_end_ = std::min(filled_, position_ + transfer_.block_bytes);
  phase_ = transfer_.flow == Flow::kIn ? Phase::kDataIn : Phase::kDataOut;
  ++counters_.pio_blocks;
  drives_[active_]->offer_block(block_end_ - position_);
  if (interrupt) raise(active_);
}

void Channel::read_data(std::span<std::byte> into) noexcept {
  ++counters_.data_port_accesses;
  while (!into.empty() && phase_ == Phase::kDataIn && selected_ == active_) {
    const size_t bytes = std::min<size_t>(into.size(), block_end_ - position_);
    std::memcpy(into.data(), buffer_.data() + position_, bytes);
    into = into.subspan(bytes);
    position_ += static_cast<uint32_t>(bytes);
    counters_.bytes_read += bytes;
    if (position_ == block_end_) block_read();
  }
  const int fill = selected() == nullptr ? floating() : 0;
  if (!into.empty()) std::memset(into.data(), fill, into.size());
}

void Channel::block_read() noexcept {
  if (position_ < filled_) return offer_block(true);
  next_data();
}

void Channel::write_data(std::span<const std::byte> from) noexcept {
  ++counters_.data_port_accesses;
  while (!from.empty() && phase_ == Phase::kDataOut && selected_ == active_) {
    const size_t bytes = std::min<size_t>(from.size(), block_end_ - position_);
    std::memcpy(buffer_.data() + position_, from.data(), bytes);
    from = from.subspan(bytes);
    position_ += static_cast<uint32_t>(bytes);
    counters_.bytes_written += bytes;
    if (position_ == block_end_) block_written();
  }
}

void Channel::block_written() noexcept {
  if (position_ < filled_) return offer_block(true);
  if (!transfer_.disk) return begin(drives_[active_]->received(buffer_, transfer_));
  segments_[0] = {buffer_.data(), filled_};
  submit(std::span(segments_).first(1), filled_ / io::kSectorSize);
}

// Goes on with a DMA command once the drive and the engine are both ready.
void Channel::move_dma() noexcept {
  if (phase_ != Phase::kAwaitDma || !bus_master_.active() || !context_.config.bus_master()) return;
  begun_ = true;
  const auto left = static_cast<uint32_t>(
      transfer_.disk
          ? std::min<uint64_t>(transfer_.sectors_left * io::kSectorSize, kMaxDmaRequestBytes)
          : transfer_.bytes);
  if (left == 0) return finish(io::IoStatus::kOk);
  PrdList::Part part{.bad = true};
  // An engine that goes the other way than the drive's data can move nothing.
  if (bus_master_.to_memory() == (transfer_.flow == Flow::kIn)) {
    part = bus_master_.list().take(context_.memory, left, transfer_.disk ? io::kSectorSize : 1,
                                   segments_);
  }
  if (part.bad) {
    ++counters_.bad_prd_tables;
    bus_master_.fail();
    return finish(io::IoStatus::kAborted);
  }
  if (part.bytes == 0) return bus_master_.exhausted();
  if (!transfer_.disk) return copy_dma(part.segments, part.bytes);
  submit(std::span(segments_).first(part.segments), part.bytes / io::kSectorSize);
}

// A drive's own reply, such as a packet command's, from the buffer to guest memory.
void Channel::copy_dma(size_t segments, uint32_t bytes) noexcept {
  const std::byte* from = buffer_.data() + position_;
  for (const iovec& part : std::span(segments_).first(segments)) {
    std::memcpy(part.iov_base, from, part.iov_len);
    from += part.iov_len;
  }
  position_ += bytes;
  transfer_.bytes -= bytes;
  counters_.bytes_read += bytes;
  if (transfer_.bytes == 0) return finish(io::IoStatus::kOk);
  move_dma();
}

// Starts the channel's disk request on the reactor's thread.
void Channel::submit(std::span<const iovec> data, uint32_t sectors) noexcept {
  phase_ = Phase::kBusy;
  request_out_ = true;
  request_count_ = sectors;
  ++counters_.disk_requests;
  request_.channel = this;
  request_.disk = drives_[active_]->disk();
  request_.op = transfer_.op;
  request_.fua = transfer_.fua;
  request_.sector = transfer_.sector;
  request_.sector_count = sectors;
  request_.data = data;
  request_.run = [](io::Completion& completion) noexcept {
    auto& request = static_cast<DiskRequest&>(completion);
    request.disk->submit(request);
  };
  request_.done = [](io::IoRequest& request) noexcept {
    Channel& channel = *static_cast<DiskRequest&>(request).channel;
    pci::GateHold hold(channel.context_.gate);
    channel.request_done();
  };
  context_.reactor.post(request_);
}

void Channel::request_done() noexcept {
  request_out_ = false;
  if (phase_ == Phase::kReset) return end_reset();
  if (request_.status != io::IoStatus::kOk) return finish(request_.status);
  transfer_.sector += request_count_;
  transfer_.sectors_left -= request_count_;
  if (transfer_.dma) {
    const uint64_t bytes = uint64_t{request_count_} * io::kSectorSize;
    (transfer_.flow == Flow::kIn ? counters_.bytes_read : counters_.bytes_written) += bytes;
  }
  data_moved();
}

void Channel::data_moved() noexcept {
  if (transfer_.dma) {
    if (dma_cut_) return finish(io::IoStatus::kAborted);
    if (transfer_.sectors_left == 0) return finish(io::IoStatus::kOk);
    phase_ = Phase::kAwaitDma;
    return move_dma();
  }
  if (transfer_.flow == Flow::kIn) return offer_block(true);
  if (transfer_.op == io::IoOp::kFlush) return finish(io::IoStatus::kOk);
  begun_ = true;
  next_data();
}

}  // namespace viridian::ide
