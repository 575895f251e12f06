#include "vswitch/packet_port.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace viridian::vswitch {
namespace {

struct Interface {
  int index = 0;
  uint16_t mtu = 0;
};

Result<Interface> find(int socket, const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return fail(ErrorKind::kInvalidArgument, "interface \"{}\": a name has 1 to {} bytes", name,
                IFNAMSIZ - 1);
  }
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(socket, SIOCGIFINDEX, &request) != 0) {
    return fail(ErrorKind::kNotFound,
                "interface \"{}\": there is none; 'ip link' shows what there is", name);
  }
  Interface found;
  found.index = request.ifr_ifindex;
  if (::ioctl(socket, SIOCGIFMTU, &request) != 0)
    return fail_errno(fmt::format("interface \"{}\": mtu", name), errno);
  found.mtu = static_cast<uint16_t>(std::min<int>(request.ifr_mtu, kMaxMtu));
  return found;
}

Result<void> set_up(int socket, int index, const std::string& name) {
  const int on = 1;
  // Larger than the kernel's usual 208 KiB, which three full-sized frames fill up.
  const int buffer_bytes = 4 << 20;
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
  for (const int option : {PACKET_VNET_HDR, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING}) {
    if (::setsockopt(socket, SOL_PACKET, option, &on, sizeof(on)) != 0)
      return fail_errno(fmt::format("interface \"{}\": packet socket option {}", name, option),
                        errno);
  }
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  // The system's calls take every kind of address by the pointer of this one.
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    return fail_errno(fmt::format("interface \"{}\": cannot be used", name), errno);
  packet_mreq membership = {};
  membership.mr_ifindex = index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (::setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)) != 0)
    return fail_errno(fmt::format("interface \"{}\": cannot be made promiscuous", name), errno);
  return {};
}

// The tag that the kernel took out of a frame.
void take_auxiliary(msghdr& message, rte_mbuf& frame) noexcept {
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_PACKET || one->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data;
    std::memcpy(&data, CMSG_DATA(one), sizeof(data));
    if ((data.tp_status & TP_STATUS_VLAN_VALID) == 0) continue;
    if ((data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 && data.tp_vlan_tpid != kTagType)
      continue;
    frame.vlan_tci = data.tp_vlan_tci;
    frame.ol_flags |= kFrameVlan;
  }
}

template <size_t... I>
std::array<FrameRoom, sizeof...(I)> rooms_of(rte_mempool* pool, std::index_sequence<I...>) {
  return {((void)I, FrameRoom(pool))...};
}

}  // namespace

Result<std::unique_ptr<PacketPort>> PacketPort::create(io::Reactor& reactor, rte_mempool* pool,
                                                       const PacketOptions& options) {
  // Bound to nothing yet: it gets no frame of other interfaces.
  UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("packet socket", errno);
  const auto interface = find(fd.get(), options.interface);
  if (!interface) return Unexpected(interface.error());
  VIRIDIAN_TRY(set_up(fd.get(), interface->index, options.interface));
  return std::unique_ptr<PacketPort>(new PacketPort(reactor, pool, std::move(fd), interface->mtu));
}

PacketPort::PacketPort(io::Reactor& reactor, rte_mempool* pool, UniqueFd fd, uint16_t mtu)
    : fd_(std::move(fd)),
      mtu_(mtu),
      poll_(
          reactor, fd_.get(),
          [](void* context) noexcept { static_cast<PacketPort*>(context)->readable_ = true; },
          this),
      rooms_(rooms_of(pool, std::make_index_sequence<kReadBatch>())) {}

PacketPort::~PacketPort() = default;

bool PacketPort::arm() noexcept {
  if (readable_) return false;
  poll_.arm();
  return true;
}

uint16_t PacketPort::receive(std::span<rte_mbuf*> frames) noexcept {
  size_t count = 0;
  while (readable_ && count < frames.size()) {
    const size_t more = read_batch(frames.subspan(count));
    if (more == 0) break;
    count += more;
  }
  return static_cast<uint16_t>(count);
}

// Frames that break their header are skipped, so none may come although some were read.
size_t PacketPort::read_batch(std::span<rte_mbuf*> frames) noexcept {
  constexpr size_t kControlBytes = CMSG_SPACE(sizeof(tpacket_auxdata));
  std::array<mmsghdr, kReadBatch> messages{};
  alignas(cmsghdr) std::array<std::array<std::byte, kControlBytes>, kReadBatch> controls;
  unsigned wanted = 0;
  while (wanted < std::min(frames.size(), kReadBatch) && rooms_[wanted].refill()) {
    msghdr& message = messages[wanted].msg_hdr;
    message.msg_iov = rooms_[wanted].parts().data();
    message.msg_iovlen = rooms_[wanted].parts().size();
    message.msg_control = controls[wanted].data();
    message.msg_controllen = kControlBytes;
    ++wanted;
  }
  if (wanted == 0) return 0;
  // An interface that is down says so once, as an error, and then has nothing.
  const int got = ::recvmmsg(fd_.get(), messages.data(), wanted, 0, nullptr);
  readable_ = got == static_cast<int>(wanted) || (got < 0 && errno == EINTR);
  size_t count = 0;
  for (int i = 0; i < got; ++i) {
    msghdr& message = messages[static_cast<size_t>(i)].msg_hdr;
    rte_mbuf* frame = rooms_[static_cast<size_t>(i)].take(messages[static_cast<size_t>(i)].msg_len);
    if (frame == nullptr) continue;
    take_auxiliary(message, *frame);
    if ((message.msg_flags & MSG_TRUNC) != 0) {
      rte_pktmbuf_free(frame);
    } else {
      frames[count++] = frame;
    }
  }
  return count;
}

uint16_t PacketPort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  uint16_t taken = 0;
  while (taken < frames.size()) {
    const auto batch = frames.subspan(taken, std::min(frames.size() - taken, kWriteBatch));
    const uint16_t now = write_batch(batch);
    taken = static_cast<uint16_t>(taken + now);
    if (now < batch.size()) break;
  }
  return taken;
}

uint16_t PacketPort::write_batch(std::span<rte_mbuf* const> frames) noexcept {
  std::array<mmsghdr, kWriteBatch> messages{};
  unsigned count = 0;
  for (; count < frames.size() && pieces_[count].set(*frames[count]); ++count) {
    messages[count].msg_hdr.msg_iov = pieces_[count].parts().data();
    messages[count].msg_hdr.msg_iovlen = pieces_[count].parts().size();
  }
  unsigned sent = 0;
  while (sent < count) {
    const int now = ::sendmmsg(fd_.get(), &messages[sent], count - sent, 0);
    if (now > 0) {
      sent += static_cast<unsigned>(now);
    } else if (errno == ENETDOWN || errno == EINVAL || errno == EMSGSIZE || errno == ENXIO) {
      ++sent;  // swallowed: as a cable that is not plugged in, or a frame that it does not take
    } else {
      break;
    }
  }
  return static_cast<uint16_t>(sent);
}

}  // namespace viridian::vswitch
