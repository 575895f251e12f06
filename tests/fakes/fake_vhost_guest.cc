#include "tests/fakes/fake_vhost_guest.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

namespace viridian::fakes {
namespace {

constexpr size_t kMemoryBytes = 2U << 20;
constexpr size_t kRingBytes = 16384;
constexpr uint64_t kGuestBase = 0x100000;  // so that nobody takes one kind of address for another
constexpr uint32_t kVersion = 1;
constexpr uint64_t kProtocolFeatures = uint64_t{1} << 30, kVersion1 = uint64_t{1} << 32;
constexpr int kPatienceMs = 20'000;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

bool readable(int fd) {
  pollfd waiting = {fd, POLLIN, 0};
  return ::poll(&waiting, 1, kPatienceMs) == 1;
}

}  // namespace

FakeVhostGuest::FakeVhostGuest() : memory_fd_(::memfd_create("guest", MFD_CLOEXEC)) {
  if (::ftruncate(memory_fd_.get(), kMemoryBytes) != 0) return;
  memory_ = static_cast<uint8_t*>(
      ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_.get(), 0));
  for (size_t i = 0; i < rings_.size(); ++i) {
    rings_[i].base = i * kRingBytes;
    rings_[i].buffers = 2 * kRingBytes + i * kEntries * kBufferBytes;
  }
}

FakeVhostGuest::~FakeVhostGuest() { ::munmap(memory_, kMemoryBytes); }

bool FakeVhostGuest::connect(const std::string& path) {
  const sockaddr_un address = address_of(path);
  socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
         0;
}

bool FakeVhostGuest::listen(const std::string& path) {
  const sockaddr_un address = address_of(path);
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  return ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
             0 &&
         ::listen(listener_.get(), 1) == 0;
}

bool FakeVhostGuest::accept() {
  if (!readable(listener_.get())) return false;
  socket_ = UniqueFd(::accept(listener_.get(), nullptr, nullptr));
  return static_cast<bool>(socket_);
}

bool FakeVhostGuest::send_bytes(uint32_t request, const void* payload, uint32_t bytes, int fd) {
  VhostHeader header = {};
  header.request = request;
  header.flags = kVersion;
  header.payload_bytes = bytes;
  std::array<iovec, 2> parts = {{{&header, sizeof(header)}, {const_cast<void*>(payload), bytes}}};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(int))> control{};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* one = CMSG_FIRSTHDR(&message);
    one->cmsg_level = SOL_SOCKET;
    one->cmsg_type = SCM_RIGHTS;
    one->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(one), &fd, sizeof(fd));
  }
  return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) ==
         static_cast<ssize_t>(sizeof(header) + bytes);
}

uint64_t FakeVhostGuest::ask(uint32_t request, uint64_t payload) {
  const uint32_t bytes = payload == 0 && request != vhost_request::kGetRingBase ? 0 : 8;
  le64 value = {};
  value = payload;
  if (!send_bytes(request, &value, bytes)) return 0;
  VhostHeader header = {};
  if (!readable(socket_.get()) ||
      ::recv(socket_.get(), &header, sizeof(header), MSG_WAITALL) != sizeof(header) ||
      ::recv(socket_.get(), &value, sizeof(value), MSG_WAITALL) != sizeof(value))
    return 0;
  return value.get();
}

bool FakeVhostGuest::hung_up() {
  char byte = 0;
  return readable(socket_.get()) && ::recv(socket_.get(), &byte, 1, 0) <= 0;
}

void FakeVhostGuest::set_up_ring(uint32_t index, int bell) {
  Ring& ring = rings_[index];
  std::memset(memory_ + ring.base, 0, kRingBytes);
  ring.offered = ring.seen = 0;
  ring.kick.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  ring.call.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  VhostRingState state = {};
  state.index = index;
  state.value = kEntries;
  send(vhost_request::kSetRingSize, state);
  state.value = 0;
  send(vhost_request::kSetRingBase, state);
  const auto user = reinterpret_cast<uint64_t>(memory_);
  VhostRingAddress address = {};
  address.index = index;
  address.descriptors = user + descriptors(ring);
  address.available = user + available(ring);
  address.used = user + used(ring);
  send(vhost_request::kSetRingAddress, address);
  le64 number = {};
  number = index;
  send(vhost_request::kSetRingCall, number, ring.call.get());
  send(vhost_request::kSetRingKick, number, bell >= 0 ? bell : ring.kick.get());
}

void FakeVhostGuest::enable(bool on) {
  for (uint32_t i = 0; i < rings_.size(); ++i) {
    VhostRingState state = {};
    state.index = i;
    state.value = on ? 1 : 0;
    send(vhost_request::kEnableRing, state);
  }
}

void FakeVhostGuest::start(uint64_t features, int bell) {
  send_bytes(vhost_request::kSetOwner, nullptr, 0);
  le64 value = {};
  value = (features | kProtocolFeatures | kVersion1) & ask(vhost_request::kGetFeatures);
  send(vhost_request::kSetFeatures, value);
  share_memory();
  for (uint32_t i = 0; i < rings_.size(); ++i)
    set_up_ring(i, bell);
  enable(true);
  ask(vhost_request::kGetFeatures);  // all before it was handled
}

void FakeVhostGuest::share_memory(uint64_t more_bytes) {
  VhostMemory memory = {};
  memory.region_count = 1;
  memory.guest_address = kGuestBase;
  memory.bytes = kMemoryBytes + more_bytes;
  memory.user_address = reinterpret_cast<uint64_t>(memory_);
  send(vhost_request::kSetMemTable, memory, memory_fd_.get());
}

void FakeVhostGuest::stop() {
  for (uint64_t i = 0; i < rings_.size(); ++i)
    ask(vhost_request::kGetRingBase, i);
}

uint16_t FakeVhostGuest::used_index(const Ring& ring) const {
  return std::atomic_ref(*at<uint16_t>(used(ring) + 2)).load(std::memory_order_acquire);
}

void FakeVhostGuest::publish(Ring& ring, uint16_t head) {
  *at<uint16_t>(available(ring) + 4 + 2U * (ring.offered % kEntries)) = head;
  ++ring.offered;
  std::atomic_ref(*at<uint16_t>(available(ring) + 2)).store(ring.offered);
}

bool FakeVhostGuest::wants_kick() const {
  return (std::atomic_ref(*at<uint16_t>(used(rings_[1]))).load() & 1) == 0;
}

bool FakeVhostGuest::sent_all() const { return used_index(rings_[1]) == rings_[1].offered; }

void FakeVhostGuest::kick() const { ::eventfd_write(rings_[1].kick.get(), 1); }

// The header has a buffer of its own, and the frame is spread over others in small pieces: so the
// chain is long. Buffers are used again and again; who gives waits for sent_all() in time.
void FakeVhostGuest::give(const std::vector<uint8_t>& frame, const NetHeader& header) {
  Ring& ring = rings_[1];
  const auto pieces = static_cast<uint16_t>(1 + (frame.size() + kBufferBytes - 1) / kBufferBytes);
  uint16_t slot = ring.seen;
  const uint16_t head = slot % kEntries;
  for (uint16_t i = 0; i < pieces; ++i, ++slot) {
    const uint16_t here = slot % kEntries;
    const size_t buffer = ring.buffers + size_t{here} * kBufferBytes;
    auto* one = at<RingDescriptor>(descriptors(ring) + sizeof(RingDescriptor) * here);
    const size_t from = i == 0 ? 0 : size_t{i - 1U} * kBufferBytes;
    const size_t bytes =
        i == 0 ? sizeof(header) : std::min<size_t>(kBufferBytes, frame.size() - from);
    if (i == 0) {
      std::memcpy(memory_ + buffer, &header, bytes);
    } else {
      std::memcpy(memory_ + buffer, frame.data() + from, bytes);
    }
    one->address = kGuestBase + buffer;
    one->bytes = static_cast<uint32_t>(bytes);
    one->flags = i + 1 < pieces ? RingDescriptor::kNext : uint16_t{0};
    one->next = static_cast<uint16_t>((slot + 1) % kEntries);
  }
  ring.seen = slot;  // of this ring: the next free descriptor
  publish(ring, head);
  if (wants_kick()) kick();
}

void FakeVhostGuest::offer(uint16_t count) {
  Ring& ring = rings_[0];
  for (uint16_t i = 0; i < count; ++i) {
    const uint16_t here = ring.offered % kEntries;
    auto* one = at<RingDescriptor>(descriptors(ring) + sizeof(RingDescriptor) * here);
    one->address = kGuestBase + ring.buffers + size_t{here} * kBufferBytes;
    one->bytes = kBufferBytes;
    one->flags = RingDescriptor::kWrite;
    publish(ring, here);
  }
}

bool FakeVhostGuest::take(VhostFrame& frame) {
  Ring& ring = rings_[0];
  if (used_index(ring) == ring.seen) return false;
  frame.bytes.clear();
  uint16_t left = 1;
  for (bool first = true; left > 0; --left, ++ring.seen, first = false) {
    while (used_index(ring) == ring.seen)
      std::this_thread::yield();
    const auto* entry = at<UsedEntry>(used(ring) + 4 + 8U * (ring.seen % kEntries));
    const uint8_t* data =
        memory_ + ring.buffers + size_t{entry->index.get() % kEntries} * kBufferBytes;
    size_t skipped = 0;
    if (first) {
      std::memcpy(&frame.header, data, sizeof(frame.header));
      skipped = sizeof(frame.header);
      left = std::max<uint16_t>(frame.header.buffers.get(), 1);
    }
    frame.bytes.insert(frame.bytes.end(), data + skipped, data + entry->bytes.get());
  }
  return true;
}

}  // namespace viridian::fakes
