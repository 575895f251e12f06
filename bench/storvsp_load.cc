#include "bench/storvsp_load.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/counted_calls.h"
#include "vmbus/ring.h"

namespace viridian::bench {
namespace {

constexpr uint32_t kRingPages = 32;  // 128 KiB, as Linux has it
// The packets of a read: descriptor, one range with one page and the vstor packet; the answer.
constexpr size_t kRequestBytes = 16 + 8 + 8 + 8 + sizeof(storvsp::VstorPacket);
constexpr size_t kAnswerBytes = 16 + sizeof(storvsp::VstorPacket);

std::unique_ptr<io::Reactor> make_reactor() {
  auto reactor = io::Reactor::create();
  if (reactor) return std::move(*reactor);
  std::fprintf(stderr, "%s\n", reactor.error().message.c_str());
  std::exit(1);
}

void fill(io::RamDisk& disk) {
  for (size_t i = 0; i < disk.bytes().size(); ++i)
    disk.bytes()[i] = static_cast<std::byte>(i * 31 >> 8);
}

}  // namespace

StorvspLoad::StorvspLoad(uint32_t depth)
    : reactor_(make_reactor()),
      disk_(*reactor_, kDiskBytes / io::kSectorSize),
      guest_(*reactor_),
      controller_(*reactor_, storvsp::scsi_identity(0, 0)),
      server_(*reactor_, guest_.memory(), guest_) {
  fill(disk_);
  guest_.attach(server_);
  const bool is_offered = controller_.add_disk(0, disk_) && server_.offer(controller_);
  const bool is_connected = is_offered && guest_.connect() != 0;
  const auto offers = guest_.request_offers();
  if (is_connected && !offers.empty()) {
    driver_ = std::make_unique<storvsp::FakeStorvsc>(
        guest_, guest_.open(offers[0].relid, kRingPages, kRingPages));
  }
  if (!driver_ || !driver_->initialize()) {
    std::fprintf(stderr, "the guest does not reach its disk\n");
    std::exit(1);
  }
  pages_ = guest_.alloc_pages(depth);
  for (uint32_t i = 0; i < depth; ++i)
    idle_.push_back(i);
  packet_ = storvsp::FakeStorvsc::srb(0, {0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0}, kReadBytes);
}

StorvspLoad::~StorvspLoad() {
  struct Done : io::Completion {
    bool ran = false;
  } done;
  done.run = [](io::Completion& self) noexcept { static_cast<Done&>(self).ran = true; };
  server_.reset(done);
  reactor_->run_until([&] { return done.ran; });
  guest_.settle();
}

void StorvspLoad::submit() {
  while (!idle_.empty()) {
    const uint32_t index = idle_.back();
    const be32 lba = blocks_.next() * (kReadBytes / io::kSectorSize);
    std::memcpy(&packet_.srb.cdb_or_sense[2], &lba, sizeof(lba));
    if (!driver_->send(index + 1, packet_, std::span(&pages_[index], 1))) return;
    idle_.pop_back();
  }
}

void StorvspLoad::receive(PathCounts& counts) {
  while (const vmbus::GuestPacket* packet = driver_->channel().receive()) {
    const auto answer = read_wire<storvsp::SrbPacket>(packet->payload);
    const uint64_t id = packet->descriptor.transaction_id;
    const bool is_good = answer && answer->srb.srb_status == storvsp::srb_status::kSuccess &&
                         answer->srb.data_length.get() == kReadBytes;
    if (!is_good) ++counts.errors;
    ++counts.requests;
    idle_.push_back(static_cast<uint32_t>(id - 1));
  }
  driver_->channel().end_receive();
}

PathCounts StorvspLoad::run(uint64_t requests, Guest guest) {
  vmbus::GuestChannel& channel = driver_->channel();
  const CallCounts calls = counted_calls();
  const uint64_t enters = reactor_->enter_count();
  const uint64_t doorbells = channel.doorbells();
  const uint64_t interrupts = guest_.signals();
  PathCounts counts;
  channel.mask(guest == Guest::kBusy);
  while (counts.requests < requests) {
    submit();
    reactor_->turn(false);
    if (guest == Guest::kBusy) {
      receive(counts);
    } else if (guest_.take_event(0, channel.relid())) {
      channel.mask(true);
      receive(counts);
      channel.mask(false);
      if (channel.has_packets()) receive(counts);
    }
  }
  counts.allocations = counted_calls().allocations - calls.allocations;
  counts.locks = counted_calls().locks - calls.locks;
  counts.enters = reactor_->enter_count() - enters;
  counts.doorbells = channel.doorbells() - doorbells;
  counts.interrupts = guest_.signals() - interrupts;
  return counts;
}

// --- the bare work -------------------------------------------------------------------------------

BareCopy::BareCopy(uint32_t depth)
    : depth_(depth),
      reactor_(make_reactor()),
      disk_(*reactor_, kDiskBytes / io::kSectorSize),
      guest_(*reactor_) {
  fill(disk_);
  pages_ = guest_.alloc_pages(depth);
  ring_pages_ = guest_.alloc_pages(2 * kRingPages);
}

uint64_t BareCopy::run(uint64_t requests) {
  const auto pfns = std::span<const uint64_t>(ring_pages_);
  auto to_host = vmbus::RingMemory::map(guest_.memory(), pfns.first(kRingPages));
  auto to_guest = vmbus::RingMemory::map(guest_.memory(), pfns.subspan(kRingPages));
  if (!to_host || !to_guest) return 0;
  uint64_t sum = 0;
  uint32_t request_at = 0, answer_at = 0;
  std::array<std::byte, kRequestBytes> request{};
  std::array<std::byte, kAnswerBytes> answer{};
  const auto pass = [](vmbus::RingMemory& ring, uint32_t& at, std::span<std::byte> packet) {
    ring.copy_in(at, packet);
    const uint32_t next = ring.advance(at, static_cast<uint32_t>(packet.size()) + 8);
    ring.word(vmbus::control::kWriteIndex).store(next, std::memory_order_release);
    ring.copy_out(at, packet);
    ring.word(vmbus::control::kReadIndex).store(next, std::memory_order_release);
    at = next;
  };
  for (uint64_t i = 0; i < requests; ++i) {
    pass(*to_host, request_at, request);
    std::byte* page = guest_.host_pointer(pages_[i % depth_]);
    std::memcpy(page, disk_.bytes().data() + size_t{blocks_.next()} * kReadBytes, read_bytes_);
    pass(*to_guest, answer_at, answer);
    sum += std::to_integer<uint64_t>(page[i % kReadBytes]) + answer_at;
    request[i % kRequestBytes] = page[0];
  }
  return sum;
}

}  // namespace viridian::bench
