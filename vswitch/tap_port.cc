#include "vswitch/tap_port.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace viridian::vswitch {
namespace {

constexpr unsigned kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

Result<void> set_interface_mtu(const std::string& name, uint16_t mtu) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  if (::ioctl(socket.get(), SIOCSIFMTU, &request) != 0) {
    return fail_errno(fmt::format("{}: mtu {}", name, mtu), errno);
  }
  return {};
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
  VIRIDIAN_TRY(set_interface_mtu(name, options.mtu));
  return std::unique_ptr<TapPort>(new TapPort(reactor, pool, std::move(fd), name, options.mtu));
}

TapPort::TapPort(io::Reactor& reactor, rte_mempool* pool, UniqueFd fd, std::string name,
                 uint16_t mtu)
    : fd_(std::move(fd)),
      name_(std::move(name)),
      mtu_(mtu),
      poll_(
          reactor, fd_.get(),
          [](void* context) noexcept { static_cast<TapPort*>(context)->readable_ = true; }, this),
      room_(pool) {}

TapPort::~TapPort() = default;

Result<void> TapPort::set_mtu(uint16_t mtu) {
  VIRIDIAN_TRY(set_interface_mtu(name_, mtu));
  mtu_ = mtu;
  return {};
}

// Kernels before 5.0 cannot; the switch then keeps the frames back alone.
void TapPort::set_link(bool up) noexcept {
  if (up == link_) return;
  link_ = up;
  int carrier = up ? 1 : 0;
  (void)::ioctl(fd_.get(), TUNSETCARRIER, &carrier);
}

bool TapPort::arm() noexcept {
  if (readable_) return false;
  poll_.arm();
  return true;
}

// The next frame; null if there is none, or no memory. A frame that breaks its header is skipped.
rte_mbuf* TapPort::read_frame() noexcept {
  while (room_.refill()) {
    const std::span<iovec> parts = room_.parts();
    const ssize_t got = ::readv(fd_.get(), parts.data(), static_cast<int>(parts.size()));
    if (got <= 0) {
      readable_ = false;
      return nullptr;
    }
    if (rte_mbuf* frame = room_.take(static_cast<size_t>(got)); frame != nullptr) return frame;
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
  FramePieces pieces;
  if (!pieces.set(frame)) return false;
  const std::span<iovec> parts = pieces.parts();
  // An interface that is down swallows frames, as a cable that is not plugged in.
  return ::writev(fd_.get(), parts.data(), static_cast<int>(parts.size())) > 0 || errno == EIO;
}

uint16_t TapPort::transmit(std::span<rte_mbuf* const> frames) noexcept {
  uint16_t taken = 0;
  while (taken < frames.size() && write_frame(*frames[taken]))
    ++taken;
  return taken;
}

}  // namespace viridian::vswitch
