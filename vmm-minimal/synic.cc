#include "vmm-minimal/synic.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <thread>

namespace viridian::vmm {
namespace {

constexpr size_t kSlotOffset = vmbus::kSint * hv::kSlotBytes;

// Guest memory is bytes to this program; what guest and host both change must be atomic.
template <class T>
std::atomic_ref<T> shared(std::byte* at) {
  // The page is aligned (Synic::page_at), so is the field.
  return std::atomic_ref<T>(*reinterpret_cast<T*>(at));
}

void count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

// What a page register names while it is in use; null otherwise.
struct alignas(64) Synic::Vp {
  uint32_t index = 0;

  // Read by every thread that signals: kept apart from what the mutex guards.
  std::atomic<std::byte*> events{nullptr};  // the flags of VMBus's SINT
  std::atomic<uint32_t> signallers{0};      // threads between reading `events` and using it
  std::atomic<bool> interruptible{false};

  alignas(64) std::mutex mutex;
  uint64_t control = 0, siefp = 0, simp = 0;
  std::array<uint64_t, hv::kSintCount> sint;
  std::byte* message_slot = nullptr;
  std::optional<uint8_t> vector;  // as the backend knows it

  struct Queued {
    uint32_t length;
    std::array<std::byte, hv::kMessagePayloadBytes> payload;
  };
  std::array<Queued, kMaxQueuedMessages> queue;
  size_t first = 0, queued = 0;
  bool refused = false;

  std::atomic<uint64_t> messages{0}, messages_lost{0}, busy_slots{0}, refusals{0}, events_set{0},
      events_merged{0}, events_lost{0}, interrupts{0}, eoms{0};

  Vp() { sint.fill(hv::kSintMasked); }
};

Synic::Synic(const GuestMemory& memory, SynicBackend& backend, uint32_t vp_count)
    : memory_(memory), backend_(backend), vp_count_(vp_count), vps_(new Vp[vp_count]) {
  for (uint32_t i = 0; i < vp_count; ++i)
    vps_[i].index = i;
}

Synic::~Synic() = default;

std::byte* Synic::page_at(uint64_t reg) const noexcept {
  const auto window = memory_.window(Gpa{reg & hv::kPageMask}, hv::kPageBytes);
  if (!window) return nullptr;
  // An address as a number, to look at its low bits.
  const auto address = reinterpret_cast<uintptr_t>(window->data());
  return address % sizeof(uint64_t) == 0 ? window->data() : nullptr;
}

std::optional<uint64_t> Synic::read(uint32_t index, uint32_t msr) noexcept {
  assert(index < vp_count_);
  Vp& vp = vps_[index];
  const std::lock_guard hold(vp.mutex);
  switch (msr) {
    case hv::kMsrScontrol:
      return vp.control;
    case hv::kMsrSversion:
      return 1;
    case hv::kMsrSiefp:
      return vp.siefp;
    case hv::kMsrSimp:
      return vp.simp;
    case hv::kMsrEom:
      return 0;
    default:
      break;
  }
  if (msr >= hv::kMsrSint0 && msr - hv::kMsrSint0 < hv::kSintCount) {
    return vp.sint[msr - hv::kMsrSint0];
  }
  faults_.count(SynicFault::kBadMsr);
  return std::nullopt;
}

bool Synic::write(uint32_t index, uint32_t msr, uint64_t value) noexcept {
  assert(index < vp_count_);
  Vp& vp = vps_[index];
  bool accepted = true;
  bool notify = false;
  {
    const std::lock_guard hold(vp.mutex);
    switch (msr) {
      case hv::kMsrScontrol:
        vp.control = value;
        break;
      case hv::kMsrSiefp:
        accepted = write_page(vp, vp.siefp, value);
        break;
      case hv::kMsrSimp:
        accepted = write_page(vp, vp.simp, value);
        break;
      case hv::kMsrEom:
        count(vp.eoms);
        break;
      default:
        accepted = write_sint(vp, msr, value);
    }
    if (!accepted) return false;
    if (msr != hv::kMsrEom) update(vp);
    notify = drain(vp);
  }
  if (notify) tell_space();
  return true;
}

// A page that is switched on starts empty, whatever the guest had there; one that is switched off
// is plain memory again and keeps its bytes.
bool Synic::write_page(Vp& vp, uint64_t& reg, uint64_t value) noexcept {
  const bool same = ((reg ^ value) & (hv::kPageMask | hv::kEnable)) == 0;
  if ((value & hv::kEnable) != 0 && !same) {
    std::byte* page = page_at(value);
    if (page == nullptr) {
      faults_.count(SynicFault::kBadPage);
      return false;
    }
    reg = 0;
    update(vp);  // nobody uses the old page from here on
    std::memset(page, 0, hv::kPageBytes);
  }
  reg = value;
  return true;
}

bool Synic::write_sint(Vp& vp, uint32_t msr, uint64_t value) noexcept {
  if (msr < hv::kMsrSint0 || msr - hv::kMsrSint0 >= hv::kSintCount) {
    faults_.count(SynicFault::kBadMsr);
    return false;
  }
  const bool silent = (value & (hv::kSintMasked | hv::kSintPolling)) != 0;
  if (!silent && (value & hv::kSintVector) < hv::kFirstVector) {
    faults_.count(SynicFault::kBadVector);
    return false;
  }
  if (!silent && (value & hv::kSintAutoEoi) != 0) faults_.count(SynicFault::kAutoEoi);
  vp.sint[msr - hv::kMsrSint0] = value;
  return true;
}

// Brings what is in use in line with the registers.
void Synic::update(Vp& vp) noexcept {
  const bool on = (vp.control & hv::kEnable) != 0;
  const uint64_t sint = vp.sint[vmbus::kSint];
  const bool masked = (sint & hv::kSintMasked) != 0;

  const bool has_events = on && (vp.siefp & hv::kEnable) != 0;
  std::byte* events = has_events ? page_at(vp.siefp) + kSlotOffset : nullptr;
  if (vp.events.exchange(events) != events) {
    // After this nobody writes to the old page. The others are at most a few instructions long.
    while (vp.signallers.load() != 0)
      std::this_thread::yield();
  }
  const bool has_messages = on && !masked && (vp.simp & hv::kEnable) != 0;
  // What a guest did not fetch before it switched the SynIC off is not for the next kernel.
  if (!on) vp.queued = 0;
  vp.message_slot = has_messages ? page_at(vp.simp) + kSlotOffset : nullptr;

  std::optional<uint8_t> vector;
  if (on && !masked && (sint & hv::kSintPolling) == 0) {
    vector = static_cast<uint8_t>(sint & hv::kSintVector);
  }
  if (vector == vp.vector) return;
  const bool was_silent = !vp.vector;
  vp.vector = vector;
  vp.interruptible.store(vector.has_value());
  backend_.route(vp.index, vector);
  // Flags that were set while nobody could be interrupted must not be forgotten.
  if (was_silent && events != nullptr) {
    for (size_t at = 0; at < hv::kSlotBytes; at += sizeof(uint64_t)) {
      if (shared<uint64_t>(events + at).load() != 0) return interrupt(vp);
    }
  }
}

void Synic::interrupt(Vp& vp) noexcept {
  if (!vp.interruptible.load(std::memory_order_acquire)) return;
  count(vp.interrupts);
  backend_.interrupt(vp.index);
}

bool Synic::post_message(uint32_t index, std::span<const std::byte> payload) noexcept {
  assert(payload.size() <= hv::kMessagePayloadBytes);
  if (index >= vp_count_) {
    faults_.count(SynicFault::kNoSuchVp);
    return true;
  }
  Vp& vp = vps_[index];
  const std::lock_guard hold(vp.mutex);
  if ((vp.control & hv::kEnable) == 0) {
    count(vp.messages_lost);
    return true;
  }
  if (vp.queued == kMaxQueuedMessages) {
    vp.refused = true;
    count(vp.refusals);
    return false;
  }
  Vp::Queued& entry = vp.queue[(vp.first + vp.queued++) % kMaxQueuedMessages];
  entry.length = static_cast<uint32_t>(payload.size());
  std::copy(payload.begin(), payload.end(), entry.payload.begin());
  drain(vp);
  return true;
}

// Moves the queue's first message into the slot, if the guest has emptied it. The guest clears the
// type, then looks at the pending flag; this sets the flag, then looks at the type. So one of the
// two sees what the other did, and no message waits without an EOM to come. TLFS 11.9.
bool Synic::deliver(Vp& vp) noexcept {
  if (vp.queued == 0 || vp.message_slot == nullptr) return false;
  auto type = shared<uint32_t>(vp.message_slot + offsetof(hv::Message, type));
  auto flags = shared<uint8_t>(vp.message_slot + offsetof(hv::Message, flags));
  if (type.load() != hv::kMessageNone) {
    flags.fetch_or(hv::kMessagePending);
    if (type.load() != hv::kMessageNone) {
      count(vp.busy_slots);
      return false;
    }
  }
  const Vp::Queued& entry = vp.queue[vp.first];
  vp.first = (vp.first + 1) % kMaxQueuedMessages;
  --vp.queued;
  vp.message_slot[offsetof(hv::Message, payload_size)] = static_cast<std::byte>(entry.length);
  flags.store(vp.queued != 0 ? hv::kMessagePending : uint8_t{0});
  std::memset(vp.message_slot + offsetof(hv::Message, reserved), 0, 2);
  std::memset(vp.message_slot + offsetof(hv::Message, origin), 0, 8);
  std::memcpy(vp.message_slot + offsetof(hv::Message, payload), entry.payload.data(), entry.length);
  type.store(hv::kMessageChannel);  // releases what is above to the guest
  count(vp.messages);
  interrupt(vp);
  return true;
}

bool Synic::drain(Vp& vp) noexcept {
  while (deliver(vp)) {
  }
  return vp.queued < kMaxQueuedMessages && std::exchange(vp.refused, false);
}

void Synic::tell_space() noexcept {
  if (space_listener_.call != nullptr) space_listener_.call(space_listener_.context);
}

void Synic::signal_event(uint32_t index, uint32_t flag) noexcept {
  if (index >= vp_count_ || flag >= hv::kEventFlagsPerSint) {
    faults_.count(SynicFault::kNoSuchVp);
    return;
  }
  Vp& vp = vps_[index];
  vp.signallers.fetch_add(1);  // pairs with update(): either it waits or this sees null
  std::byte* events = vp.events.load();
  bool was_clear = false;
  if (events != nullptr) {
    const uint64_t bit = uint64_t{1} << (flag % 64);
    was_clear = (shared<uint64_t>(events + flag / 64 * 8).fetch_or(bit) & bit) == 0;
  }
  vp.signallers.fetch_sub(1, std::memory_order_release);
  count(events == nullptr ? vp.events_lost : was_clear ? vp.events_set : vp.events_merged);
  if (was_clear) interrupt(vp);
}

Result<void> Synic::add_doorbell(uint32_t connection_id, int event_fd) {
  const std::lock_guard hold(doorbell_mutex_);
  if (doorbells_.size() == kMaxDoorbells) {
    return fail(ErrorKind::kUnsupported, "more than {} VMBus doorbells", kMaxDoorbells);
  }
  const auto same = [&](const Doorbell& bell) { return bell.connection_id == connection_id; };
  if (std::any_of(doorbells_.begin(), doorbells_.end(), same)) {
    return fail(ErrorKind::kInvalidArgument, "connection id {:#x} has a doorbell already",
                connection_id);
  }
  VIRIDIAN_TRY(backend_.add_doorbell(connection_id, event_fd));
  doorbells_.push_back({connection_id, event_fd});
  return {};
}

void Synic::remove_doorbell(uint32_t connection_id, int event_fd) noexcept {
  const std::lock_guard hold(doorbell_mutex_);
  const auto removed = std::erase_if(doorbells_, [&](const Doorbell& bell) {
    return bell.connection_id == connection_id && bell.event_fd == event_fd;
  });
  if (removed != 0) backend_.remove_doorbell(connection_id, event_fd);
}

bool Synic::ring(uint32_t connection_id) noexcept {
  const std::lock_guard hold(doorbell_mutex_);
  for (const Doorbell& bell : doorbells_) {
    if (bell.connection_id != connection_id) continue;
    const uint64_t one = 1;
    // An eventfd refuses only when it is about to overflow; then it rings already.
    [[maybe_unused]] const ssize_t written = ::write(bell.event_fd, &one, sizeof(one));
    return true;
  }
  return false;
}

void Synic::reset() noexcept {
  for (uint32_t i = 0; i < vp_count_; ++i) {
    Vp& vp = vps_[i];
    const std::lock_guard hold(vp.mutex);
    vp.control = vp.siefp = vp.simp = 0;
    vp.sint.fill(hv::kSintMasked);
    vp.refused = false;  // VMBus is reset too, and has nothing left to say
    update(vp);
  }
}

void Synic::append_stats(Stats& stats) const {
  auto append = [&](const char* name, std::atomic<uint64_t> Vp::*field) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < vp_count_; ++i)
      sum += (vps_[i].*field).load(std::memory_order_relaxed);
    if (sum != 0) stats.push_back({"synic", name, sum});
  };
  append("messages", &Vp::messages);
  append("messages_lost", &Vp::messages_lost);
  append("messages_waited", &Vp::busy_slots);
  append("messages_refused", &Vp::refusals);
  append("end_of_messages", &Vp::eoms);
  append("events", &Vp::events_set);
  append("events_merged", &Vp::events_merged);
  append("events_lost", &Vp::events_lost);
  append("interrupts", &Vp::interrupts);
  if (faults_.total() != 0) stats.push_back({"synic", "guest_errors", faults_.total()});
}

}  // namespace viridian::vmm
