#include "tests/fakes/fake_guest.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "base/checked.h"

namespace viridian::vmbus {
namespace {

constexpr std::array<uint64_t, 2> kRegionBase = {0, 4ull << 30};
constexpr size_t kHeaderPfns = 26;
constexpr size_t kBodyPfns = 28;
// Turns that a wait in one thread takes before it gives up: a request needs a handful.
constexpr int kPatience = 200;

}  // namespace

FakeGuest::FakeGuest(io::Reactor& reactor, Threads threads, size_t region_bytes)
    : reactor_(reactor), threads_(threads), region_bytes_(region_bytes), events_(kVps) {
  for (size_t i = 0; i < regions_.size(); ++i) {
    void* mapped = ::mmap(nullptr, region_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) std::abort();
    regions_[i] = static_cast<std::byte*>(mapped);
    if (!memory_.add_region(Gpa{kRegionBase[i]}, {regions_[i], region_bytes})) std::abort();
  }
  space_.guest = this;
  space_.run = [](io::Completion& completion) noexcept {
    auto& self = static_cast<Space&>(completion);
    self.queued = false;
    if (self.guest->server_ != nullptr) self.guest->server_->message_space();
  };
}

FakeGuest::~FakeGuest() {
  for (std::byte* region : regions_)
    ::munmap(region, region_bytes_);
}

std::byte* FakeGuest::host_pointer(uint64_t pfn) const {
  return memory_.window(Gpa{pfn * kPageBytes}, kPageBytes)->data();
}

std::vector<uint64_t> FakeGuest::alloc_pages(size_t count, Layout layout) {
  std::vector<uint64_t> pfns;
  for (size_t i = 0; i < count; ++i) {
    const size_t region = layout == Layout::kScattered ? i % 2 : 0;
    pfns.push_back(kRegionBase[region] / kPageBytes + next_page_[region]++);
  }
  if (std::max(next_page_[0], next_page_[1]) > region_bytes_ / kPageBytes) std::abort();
  if (layout == Layout::kScattered) std::reverse(pfns.begin(), pfns.end());
  return pfns;
}

// --- messages ------------------------------------------------------------------------------------

uint16_t FakeGuest::post_bytes(std::span<const std::byte> message) {
  return server_->guest_message(message_connection_, message);
}

void FakeGuest::settle() {
  for (int i = 0; i < 20; ++i)
    reactor_.turn(false);
}

std::optional<std::vector<std::byte>> FakeGuest::take_message(uint32_t type) {
  const auto found = std::find_if(messages_.begin(), messages_.end(), [&](const auto& message) {
    return read_wire<MessageHeader>(message)->type.get() == type;
  });
  if (found == messages_.end()) return std::nullopt;
  std::vector<std::byte> message = std::move(*found);
  messages_.erase(found);
  if (std::exchange(host_waits_, false) && !space_.queued.exchange(true)) reactor_.post(space_);
  return message;
}

std::optional<std::vector<std::byte>> FakeGuest::wait_for_bytes(uint32_t type) {
  std::optional<std::vector<std::byte>> message;
  if (threads_ == Threads::kOwnThread) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return (message = take_message(type)).has_value(); });
    return message;
  }
  for (int i = 0; i < kPatience; ++i) {
    {
      const std::lock_guard lock(mutex_);
      message = take_message(type);
    }
    if (message) return message;
    reactor_.turn(false);
  }
  return std::nullopt;
}

bool FakeGuest::has_message(uint32_t type) {
  if (threads_ == Threads::kSame) settle();
  const std::lock_guard lock(mutex_);
  return std::any_of(messages_.begin(), messages_.end(), [&](const auto& message) {
    return read_wire<MessageHeader>(message)->type.get() == type;
  });
}

void FakeGuest::drop_messages() {
  const std::lock_guard lock(mutex_);
  messages_.clear();
  if (std::exchange(host_waits_, false) && !space_.queued.exchange(true)) reactor_.post(space_);
}

bool FakeGuest::contact(uint32_t version, uint32_t target_vp) {
  message_connection_ = version >= kVersion5_0 ? kMessageConnection5 : kMessageConnection;
  InitiateContact contact{};
  contact.version = version;
  contact.target_vp = target_vp;
  contact.interrupt_page = version >= kVersion5_0 ? uint64_t{kSint} : uint64_t{kPageBytes};
  if (post(message_type::kInitiateContact, contact) != kHvSuccess) return false;
  const auto response = wait_for<VersionResponse>(message_type::kVersionResponse);
  if (!response || response->supported == 0) return false;
  if (version >= kVersion5_0) message_connection_ = response->message_connection;
  return true;
}

uint32_t FakeGuest::connect() {
  for (auto version = kVersions.rbegin(); version != kVersions.rend(); ++version) {
    if (contact(*version)) return *version;
  }
  return 0;
}

std::vector<OfferChannel> FakeGuest::request_offers() {
  std::vector<OfferChannel> offers;
  post(message_type::kRequestOffers, RelidMessage{});
  if (!wait_for_bytes(message_type::kAllOffersDelivered)) return offers;
  const std::lock_guard lock(mutex_);
  while (const auto message = take_message(message_type::kOfferChannel)) {
    const auto offer = *read_wire<OfferChannel>(*message);
    offers.push_back(offer);
  }
  return offers;
}

bool FakeGuest::create_gpadl(uint32_t relid, uint32_t handle, std::span<const uint64_t> pfns,
                             uint32_t byte_offset, uint32_t byte_count) {
  std::array<std::byte, kMaxMessagePayload> bytes;
  const GpadlHeader header{{message_type::kGpadlHeader, 0u},
                           relid,
                           handle,
                           static_cast<uint16_t>(sizeof(GpaRangeHeader) + pfns.size_bytes()),
                           uint16_t{1}};
  const GpaRangeHeader range{byte_count, byte_offset};
  write_wire(bytes, header);
  write_wire(bytes, range, sizeof(header));
  const auto put_pfns = [&](size_t offset, size_t limit) {
    const auto part = std::as_bytes(pfns.first(std::min(limit, pfns.size())));
    std::copy(part.begin(), part.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    pfns = pfns.subspan(part.size() / sizeof(uint64_t));
    return std::span<const std::byte>(bytes).first(offset + part.size());
  };
  const auto post_patiently = [&](std::span<const std::byte> message) {
    while (post_bytes(message) == kHvInsufficientBuffers) {
      if (threads_ == Threads::kSame) settle();
    }
  };
  post_patiently(put_pfns(sizeof(header) + sizeof(range), kHeaderPfns));
  for (uint32_t number = 1; !pfns.empty(); ++number) {
    write_wire(bytes, GpadlBody{{message_type::kGpadlBody, 0u}, number, handle});
    post_patiently(put_pfns(sizeof(GpadlBody), kBodyPfns));
  }
  const auto created = wait_for<GpadlCreated>(message_type::kGpadlCreated);
  return created && created->handle.get() == handle && created->status.get() == kStatusSuccess;
}

void FakeGuest::tear_down_gpadl(uint32_t relid, uint32_t handle) {
  post(message_type::kGpadlTeardown, GpadlTeardown{{}, relid, handle});
  wait_for<GpadlTorndown>(message_type::kGpadlTorndown);
}

std::unique_ptr<GuestChannel> FakeGuest::open(uint32_t relid, uint32_t out_pages, uint32_t in_pages,
                                              uint32_t target_vp, Layout layout) {
  const std::vector<uint64_t> pfns = alloc_pages(out_pages + in_pages, layout);
  const uint32_t gpadl = new_gpadl_handle();
  if (!create_gpadl(relid, gpadl, pfns, 0, static_cast<uint32_t>(pfns.size() * kPageBytes))) {
    return nullptr;
  }
  auto out = RingMemory::map(memory_, std::span(pfns).first(out_pages));
  auto in = RingMemory::map(memory_, std::span(pfns).subspan(out_pages));
  if (!out || !in) return nullptr;
  std::unique_ptr<GuestChannel> channel(
      new GuestChannel(*this, relid, gpadl, pfns, std::move(*out), std::move(*in)));
  OpenChannel open{};
  open.relid = relid;
  open.open_id = relid;
  open.ring_gpadl = gpadl;
  open.target_vp = target_vp;
  open.downstream_page_offset = out_pages;
  post(message_type::kOpenChannel, open);
  const auto result = wait_for<OpenResult>(message_type::kOpenResult);
  if (!result || result->status.get() != kStatusSuccess) return nullptr;
  const std::lock_guard lock(mutex_);
  channel->doorbell_fd_ = doorbells_.at(connections_.at(relid));
  return channel;
}

void FakeGuest::unload() {
  post(message_type::kUnload, RelidMessage{});
  wait_for_bytes(message_type::kUnloadResponse);
}

// --- SynIC ---------------------------------------------------------------------------------------

bool FakeGuest::post_message(uint32_t vp, std::span<const std::byte> payload) noexcept {
  const std::lock_guard lock(mutex_);
  message_vp_ = vp;
  if (vp >= kVps) return true;
  if (messages_.size() >= message_capacity_) {
    host_waits_ = true;
    return false;
  }
  messages_.emplace_back(payload.begin(), payload.end());
  if (const auto offer = read_wire<OfferChannel>(payload);
      offer && offer->header.type.get() == message_type::kOfferChannel) {
    connections_[offer->relid] = offer->connection_id;
  }
  changed_.notify_all();
  return true;
}

void FakeGuest::set_message_capacity(size_t capacity) {
  const std::lock_guard lock(mutex_);
  message_capacity_ = capacity;
  if (std::exchange(host_waits_, false) && !space_.queued.exchange(true)) reactor_.post(space_);
}

void FakeGuest::signal_event(uint32_t vp, uint32_t flag) noexcept {
  ++signals_;
  if (vp >= kVps || flag >= 2048 || events_[vp][flag].exchange(1) != 0) return;
  ++interrupts_;
  interrupts_.notify_all();
}

void FakeGuest::wake_waiters() {
  ++interrupts_;
  interrupts_.notify_all();
}

Result<void> FakeGuest::add_doorbell(uint32_t connection_id, int event_fd) {
  const std::lock_guard lock(mutex_);
  if (refuse_doorbells_) return fail(ErrorKind::kIo, "no more doorbells");
  doorbells_[connection_id] = event_fd;
  return {};
}

void FakeGuest::remove_doorbell(uint32_t connection_id, int event_fd) noexcept {
  const std::lock_guard lock(mutex_);
  const auto it = doorbells_.find(connection_id);
  if (it != doorbells_.end() && it->second == event_fd) doorbells_.erase(it);
}

bool FakeGuest::has_doorbell(uint32_t connection_id) {
  const std::lock_guard lock(mutex_);
  return doorbells_.contains(connection_id);
}

}  // namespace viridian::vmbus
