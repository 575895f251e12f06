#include "vswitch/vhost_socket.h"

#include <fcntl.h>
#include <limits.h>
#include <rte_vhost.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>

#include "base/endian.h"
#include "vswitch/unix_socket.h"
#include "vswitch/vhost_message.h"
#include "vswitch/virtio_header.h"

namespace viridian::vswitch {
namespace {

constexpr uint16_t kSendQueue = 1;  // the guest's
constexpr uint16_t kQueues = 2;

constexpr uint64_t kGuestLarge = virtio_feature::kGuestTcpIpv4 | virtio_feature::kGuestTcpIpv6;
constexpr uint64_t kNotOffered =
    virtio_feature::kHostUfo | virtio_feature::kGuestUfo | virtio_feature::kSeveralQueues;
constexpr uint64_t kSeveralQueuesProtocol = uint64_t{1} << VHOST_USER_PROTOCOL_F_MQ;

// rte_vhost's callbacks have no context but a device's number, of which it tells the path: so there
// is one table of the paths that this process serves.
struct Table {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<VhostLink>> links;
};

Table& table() {
  static Table* const all = new Table;  // rte_vhost's thread outlives static objects
  return *all;
}

std::shared_ptr<VhostLink> link_of(int id) {
  std::array<char, PATH_MAX> path{};
  if (rte_vhost_get_ifname(id, path.data(), path.size()) != 0) return nullptr;
  const std::lock_guard hold(table().mutex);
  const auto found = table().links.find(path.data());
  return found == table().links.end() ? nullptr : found->second;
}

bool is_event(int fd) {
  std::array<char, 64> target{};
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size() - 1);
  return length > 0 && std::strcmp(target.data(), "anon_inode:[eventfd]") == 0;
}

// What is there to know of a device whose rings are set up; without an event to wait for, or with a
// ring without entries, it is none.
std::optional<VhostDevice> describe(int id) {
  rte_vhost_vring ring = {};
  for (uint16_t queue = 0; queue < kQueues; ++queue) {
    if (rte_vhost_get_vhost_vring(id, queue, &ring) != 0 || ring.size == 0) return std::nullopt;
  }
  VhostDevice device;
  device.id = id;
  if (!is_event(ring.kickfd)) return std::nullopt;
  device.kick = UniqueFd(::fcntl(ring.kickfd, F_DUPFD_CLOEXEC, 0));
  uint64_t features = 0;
  if (!device.kick || rte_vhost_get_negotiated_features(id, &features) != 0) return std::nullopt;
  device.checksum = (features & virtio_feature::kGuestChecksum) != 0;
  device.segmentation = device.checksum && (features & kGuestLarge) == kGuestLarge;
  if (rte_vhost_get_mtu(id, &device.mtu) != 0) device.mtu = 0;
  return device;
}

int new_device(int id) {
  const auto link = link_of(id);
  auto device = describe(id);
  return link && device && link->give(std::move(*device)) ? 0 : -1;
}

void destroy_device(int id) {
  if (const auto link = link_of(id)) link->take_back(id);
}

// Also when only the events of the ring were exchanged. rte_vhost holds the ring's lock, which the
// worker may wait for: nothing here waits for the worker. rte_vhost rings the guest with a write()
// that must not block.
int ring_changed(int id, uint16_t queue, int enabled) {
  rte_vhost_vring ring = {};
  if (enabled == 0 || queue >= kQueues || rte_vhost_get_vhost_vring(id, queue, &ring) != 0)
    return 0;
  if (ring.callfd >= 0) ::fcntl(ring.callfd, F_SETFL, ::fcntl(ring.callfd, F_GETFL) | O_NONBLOCK);
  const auto link = link_of(id);
  if (queue != kSendQueue || !link || !link->has(id)) return 0;
  if (auto device = describe(id)) link->give(std::move(*device));
  return 0;
}

// For these rte_vhost takes no lock.
bool wants_no_worker(uint32_t request) {
  return request == VhostMessage::kIotlb || request == VhostMessage::kGetInflight ||
         request == VhostMessage::kSetInflight || request == VhostMessage::kSetStatus;
}

// rte_vhost holds the rings' locks. The worker may wait for one, and gets it after the message:
// then the message must not have failed, since the old memory is unmapped but the rings in it are
// not forgotten. So it does not get to see one that would.
void before_memory(int id, VhostLink& link, const void* message, VhostMessage& start) {
  link.pause(id, VhostLink::Worker::kStaysOut);
  if (!memory_can_be_mapped(message)) start.first = UINT32_MAX;
}

// What must not be, rte_vhost gets in a form that it refuses itself before it does anything: then
// it also closes the files that came with the message.
rte_vhost_msg_result before_message(int id, void* message) {
  const auto link = link_of(id);
  if (!link) return RTE_VHOST_MSG_RESULT_ERR;
  VhostMessage start;
  std::memcpy(&start, message, sizeof(start));
  const uint32_t request = start.request.get();
  // Memory that comes page by page was not offered, and its messages may fail at any time.
  if (request >= VhostMessage::kPostcopyAdvise && request <= VhostMessage::kPostcopyEnd) {
    close_files(message);
    return RTE_VHOST_MSG_RESULT_ERR;
  }
  if (request == VhostMessage::kSetMemTable) {
    before_memory(id, *link, message, start);
  } else {
    link->pause(id,
                wants_no_worker(request) ? VhostLink::Worker::kIsOut : VhostLink::Worker::kMayBeIn);
  }
  // It does not see that a ring without entries is nonsense, nor one whose size changes while it
  // is used.
  if (request == VhostMessage::kSetRingSize && (start.second.get() == 0 || link->has(id)))
    start.second = UINT32_MAX;
  std::memcpy(message, &start, sizeof(start));
  return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

rte_vhost_msg_result after_message(int id, void*) {
  if (const auto link = link_of(id)) link->resume(id);
  return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

int new_connection(int id) {
  static constexpr rte_vhost_user_extern_ops kHandlers = {before_message, after_message};
  return rte_vhost_extern_callback_register(id, &kHandlers, nullptr);
}

constexpr rte_vhost_device_ops make_callbacks() {
  rte_vhost_device_ops callbacks = {};
  callbacks.new_device = new_device;
  callbacks.destroy_device = destroy_device;
  callbacks.vring_state_changed = ring_changed;
  callbacks.new_connection = new_connection;
  return callbacks;
}

constexpr rte_vhost_device_ops kCallbacks = make_callbacks();

}  // namespace

Result<std::unique_ptr<VhostSocket>> VhostSocket::open(const std::string& path, bool client) {
  const auto address = unix_address(path);
  if (!address) return Unexpected(address.error());
  if (!client) VIRIDIAN_TRY(remove_stale_socket(*address));
  std::unique_ptr<VhostSocket> opened(new VhostSocket(path));
  VIRIDIAN_TRY(opened->set_up(client));
  return opened;
}

VhostSocket::VhostSocket(std::string path)
    : path_(std::move(path)), link_(std::make_shared<VhostLink>()) {}

Result<void> VhostSocket::set_up(bool client) {
  {
    const std::lock_guard hold(table().mutex);
    if (!table().links.emplace(path_, link_).second)
      return fail(ErrorKind::kLocked, "socket: {} is used by another port", path_);
  }
  registered_ = true;
  const uint64_t flags =
      RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS | (client ? RTE_VHOST_USER_CLIENT : 0);
  uint64_t protocol = 0;
  const char* path = path_.c_str();
  // An error of the last one is that of bind(), and says errno.
  if (rte_vhost_driver_register(path, flags) != 0 ||
      rte_vhost_driver_disable_features(path, kNotOffered) != 0 ||
      rte_vhost_driver_get_protocol_features(path, &protocol) != 0 ||
      rte_vhost_driver_set_protocol_features(path, protocol & ~kSeveralQueuesProtocol) != 0 ||
      rte_vhost_driver_callback_register(path, &kCallbacks) != 0)
    return fail(ErrorKind::kIo, "socket: {} is refused by DPDK's vhost library", path_);
  errno = 0;
  if (rte_vhost_driver_start(path) != 0)
    return fail_errno("socket: " + path_, errno == 0 ? EIO : errno);
  return {};
}

VhostSocket::~VhostSocket() {
  if (!registered_) return;
  rte_vhost_driver_unregister(path_.c_str());
  const std::lock_guard hold(table().mutex);
  table().links.erase(path_);
}

}  // namespace viridian::vswitch
