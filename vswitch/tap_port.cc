#include "vswitch/tap_port.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <rte_ether.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "vswitch/vlan_tag.h"

namespace viridian::vswitch {
namespace {

constexpr uint32_t kSpareSegments = (kMaxFrameBytes + 2047) / 2048;
constexpr uint32_t kMaxSegments = 64;  // of a frame to be written
constexpr size_t kAddressBytes = 12;
constexpr unsigned kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

Result<void> set_mtu(const std::string& name, uint16_t mtu) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  if (::ioctl(socket.get(), SIOCSIFMTU, &request) != 0) {
    return fail_errno(fmt::format("{}: mtu {}", name, mtu), errno);
  }
  return {};
}

// What the sender left undone, as the switch says it. False: the header does not fit the frame.
bool take_header(const VirtioHeader& header, rte_mbuf& frame) noexcept {
  if ((header.flags & virtio_flag::kDataValid) != 0) frame.ol_flags |= kFrameChecksumGood;
  if ((header.flags & virtio_flag::kNeedsChecksum) == 0) {
    return header.segment_type == virtio_segment::kNone;
  }
  const auto* ethernet = rte_pktmbuf_mtod(&frame, const rte_ether_hdr*);
  const bool ipv6 = ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6);
  if (!ipv6 && ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) return false;
  const uint32_t transport = header.checksum_start;
  const bool tcp = header.checksum_offset.get() == offsetof(rte_tcp_hdr, cksum);
  if (!tcp && header.checksum_offset.get() != offsetof(rte_udp_hdr, dgram_cksum)) return false;
  const uint32_t length = tcp ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr);
  if (transport < kEthernetHeaderBytes || transport + length > frame.data_len) return false;
  frame.l2_len = kEthernetHeaderBytes;
  frame.l3_len = (transport - kEthernetHeaderBytes) & 0x1FF;
  frame.l4_len = length & 0xFF;
  frame.ol_flags |= (ipv6 ? kFrameIpv6 : kFrameIpv4) | (tcp ? kFrameTcp : kFrameUdp);
  if (tcp) {
    const auto* header_of_tcp = rte_pktmbuf_mtod_offset(&frame, const rte_tcp_hdr*, transport);
    frame.l4_len = (header_of_tcp->data_off >> 2) & 0x3C;
  }
  if (header.segment_type == virtio_segment::kNone) return true;
  const uint8_t type = header.segment_type & static_cast<uint8_t>(~virtio_segment::kEcn);
  if (type != (ipv6 ? virtio_segment::kTcpIpv6 : virtio_segment::kTcpIpv4)) return false;
  if (!tcp || header.segment_bytes.get() == 0) return false;
  frame.tso_segsz = header.segment_bytes;
  frame.ol_flags |= kFrameSegment | (ipv6 ? 0 : kFrameIpChecksum);
  return true;
}

VirtioHeader make_header(const rte_mbuf& frame, uint32_t tag_bytes) noexcept {
  VirtioHeader header = {};
  const uint64_t transport = frame.ol_flags & kFrameTransportMask;
  const bool segment = (frame.ol_flags & kFrameSegment) != 0;
  if (transport == 0 && !segment) {
    if ((frame.ol_flags & kFrameChecksumGood) != 0) header.flags = virtio_flag::kDataValid;
    return header;
  }
  const uint32_t start = tag_bytes + frame.l2_len + frame.l3_len;
  header.flags = virtio_flag::kNeedsChecksum;
  header.checksum_start = static_cast<uint16_t>(start);
  header.checksum_offset =
      transport == kFrameUdp ? offsetof(rte_udp_hdr, dgram_cksum) : offsetof(rte_tcp_hdr, cksum);
  if (segment) {
    const bool ipv6 = (frame.ol_flags & kFrameIpv6) != 0;
    header.segment_type = ipv6 ? virtio_segment::kTcpIpv6 : virtio_segment::kTcpIpv4;
    header.segment_bytes = frame.tso_segsz;
    header.header_bytes = static_cast<uint16_t>(start + frame.l4_len);
  }
  return header;
}

}  // namespace

Result<std::unique_ptr<TapPort>> TapPort::create(io::Reactor& reactor, rte_mempool* pool,
                                                 const TapOptions& options) {
  if (options.name.empty() || options.name.size() >= IFNAMSIZ) {
    return fail(ErrorKind::kInvalidArgument, "interface \"{}\": a name has 1 to {} bytes",
                options.name, IFNAMSIZ - 1);
  }
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail_errno("/dev/net/tun", errno);
  ifreq request = {};
  options.name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    return fail_errno(fmt::format("{}: cannot be made as a TAP interface", options.name), errno);
  }
  const std::string name = request.ifr_name;
  int header_bytes = sizeof(VirtioHeader);
  if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &header_bytes) != 0 ||
      ::ioctl(fd.get(), TUNSETOFFLOAD, kOffloads) != 0) {
    return fail_errno(fmt::format("{}: this kernel's TAP has no offloads", name), errno);
  }
  VIRIDIAN_TRY(set_mtu(name, options.mtu));
  return std::unique_ptr<TapPort>(new TapPort(reactor, pool, std::move(fd), name, options.mtu));
}

TapPort::TapPort(io::Reactor& reactor, rte_mempool* pool, UniqueFd fd, std::string name,
                 uint16_t mtu)
    : pool_(pool),
      fd_(std::move(fd)),
      name_(std::move(name)),
      mtu_(mtu),
      poll_(
          reactor, fd_.get(),
          [](void* context) noexcept { static_cast<TapPort*>(context)->readable_ = true; }, this),
      parts_(kSpareSegments + 1) {
  spare_.reserve(kSpareSegments);
  parts_[0] = {&header_, sizeof(header_)};
}

TapPort::~TapPort() {
  for (rte_mbuf* segment : spare_)
    rte_pktmbuf_free_seg(segment);
}

bool TapPort::arm() noexcept {
  if (readable_) return false;
  poll_.arm();
  return true;
}

bool TapPort::refill() noexcept {
  while (spare_.size() < kSpareSegments) {
    rte_mbuf* segment = rte_pktmbuf_alloc(pool_);
    if (segment == nullptr) return false;
    spare_.push_back(segment);
    parts_[spare_.size()] = {rte_pktmbuf_mtod(segment, void*), rte_pktmbuf_tailroom(segment)};
  }
  return true;
}

// The next frame; null if there is none, or no memory. A frame that breaks its header is skipped.
rte_mbuf* TapPort::read_frame() noexcept {
  while (refill()) {
    const ssize_t got = ::readv(fd_.get(), parts_.data(), static_cast<int>(parts_.size()));
    if (got <= static_cast<ssize_t>(sizeof(header_))) {
      readable_ = got > 0;
      return nullptr;
    }
    auto left = static_cast<uint32_t>(got) - uint32_t{sizeof(header_)};
    rte_mbuf* frame = spare_[0];
    frame->pkt_len = left;
    uint32_t used = 0;
    for (rte_mbuf* last = nullptr; left > 0; last = spare_[used++]) {
      rte_mbuf* segment = spare_[used];
      segment->data_len = std::min<uint16_t>(rte_pktmbuf_tailroom(segment),
                                             static_cast<uint16_t>(std::min(left, 0xFFFFu)));
      left -= segment->data_len;
      if (last != nullptr) last->next = segment;
    }
    frame->nb_segs = static_cast<uint16_t>(used);
    spare_.erase(spare_.begin(), spare_.begin() + used);
    for (size_t i = 0; i < spare_.size(); ++i)
      parts_[i + 1] = {rte_pktmbuf_mtod(spare_[i], void*), rte_pktmbuf_tailroom(spare_[i])};
    if (frame->data_len >= kEthernetHeaderBytes && take_header(header_, *frame)) return frame;
    rte_pktmbuf_free(frame);
  }
  return nullptr;
}

uint16_t TapPort::receive(std::span<rte_mbuf*> frames) noexcept {
  uint16_t count = 0;
  while (readable_ && count < frames.size()) {
    rte_mbuf* frame = read_frame();
    if (frame == nullptr) break;
    frames[count++] = frame;
  }
  return count;
}

bool TapPort::write_frame(const rte_mbuf& frame) noexcept {
  std::array<iovec, kMaxSegments + 3> parts;
  size_t count = 0;
  const bool tagged = has_tag(frame);
  VirtioHeader header = make_header(frame, tagged ? sizeof(VlanTag) : 0);
  VlanTag tag;
  parts[count++] = {&header, sizeof(header)};
  if (frame.nb_segs > kMaxSegments) return false;
  auto* data = rte_pktmbuf_mtod(&frame, std::byte*);
  if (tagged) {
    tag.type = kTagType;
    tag.control = frame.vlan_tci;
    parts[count++] = {data, kAddressBytes};
    parts[count++] = {&tag, sizeof(tag)};
    parts[count++] = {data + kAddressBytes, frame.data_len - kAddressBytes};
  } else {
    parts[count++] = {data, frame.data_len};
  }
  for (const rte_mbuf* segment = frame.next; segment != nullptr; segment = segment->next)
    parts[count++] = {rte_pktmbuf_mtod(segment, std::byte*), segment->data_len};
  // An interface that is down swallows frames, as a cable that is not plugged in.
  return ::writev(fd_.get(), parts.data(), static_cast<int>(count)) > 0 || errno == EIO;
}

uint16_t TapPort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  uint16_t taken = 0;
  while (taken < frames.size() && write_frame(*frames[taken]))
    ++taken;
  return taken;
}

}  // namespace viridian::vswitch
