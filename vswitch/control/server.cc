#include "vswitch/control/server.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/steady_clock.h"
#include "vswitch/unix_socket.h"

namespace viridian::vswitch {
namespace {

constexpr uint64_t kSampleNs = 1'000'000'000;  // between two readings that rates are made of
constexpr int kBacklog = 16;

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::create(SwitchHost& host,
                                                             const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return Unexpected(address.error());
  VIRIDIAN_TRY(remove_stale_socket(*address));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", errno);
  // Nobody can connect before listen(), so the file is closed to others in time.
  if (::bind(socket.get(), generic_address(*address), sizeof(*address)) != 0 ||
      ::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket.get(), kBacklog) != 0)
    return fail_errno("socket: " + path, errno);
  UniqueFd stop_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event) return fail_errno("eventfd", errno);
  return std::unique_ptr<ControlServer>(
      new ControlServer(host, path, std::move(socket), std::move(stop_event)));
}

ControlServer::ControlServer(SwitchHost& host, std::string path, UniqueFd socket,
                             UniqueFd stop_event)
    : host_(host),
      commands_(host),
      path_(std::move(path)),
      socket_(std::move(socket)),
      stop_event_(std::move(stop_event)) {}

ControlServer::~ControlServer() { ::unlink(path_.c_str()); }

void ControlServer::stop() noexcept {
  stopping_.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof(one));
}

int ControlServer::timeout_ms(uint64_t now) const {
  uint64_t due = sample_ns_ + kSampleNs;
  for (const auto& client : clients_)
    due = std::min(due, client->due_ns());
  return due <= now ? 0 : static_cast<int>((due - now) / 1'000'000 + 1);
}

void ControlServer::accept() {
  UniqueFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd && clients_.size() < kMaxClients)
    clients_.push_back(std::make_unique<Connection>(std::move(fd), host_, commands_));
}

void ControlServer::serve(Connection& client, short events, bool& keep) {
  if ((events & POLLIN) != 0) keep = client.read();
  client.advance(steady_now_ns());
  // Also at once, without waiting to be told that it may be sent.
  if (keep && (client.wanted_events() & POLLOUT) != 0) keep = client.send();
  if ((events & (POLLERR | POLLHUP)) != 0 && (events & POLLIN) == 0) keep = false;
}

void ControlServer::serve_ready(const std::vector<pollfd>& waiting) {
  if (const uint64_t now = steady_now_ns(); now - sample_ns_ >= kSampleNs) {
    commands_.sample(now);
    sample_ns_ = now;
  }
  const size_t count = clients_.size();
  for (size_t i = 0; i < count; ++i) {
    bool keep = true;
    serve(*clients_[i], waiting[i + 2].revents, keep);
    if (!keep) clients_[i].reset();
  }
  std::erase(clients_, nullptr);
  if ((waiting[0].revents & POLLIN) != 0) accept();
}

void ControlServer::run() {
  std::vector<pollfd> waiting;
  while (!stopping_.load()) {
    waiting.assign({{socket_.get(), POLLIN, 0}, {stop_event_.get(), POLLIN, 0}});
    for (const auto& client : clients_)
      waiting.push_back({client->fd(), client->wanted_events(), 0});
    if (::poll(waiting.data(), waiting.size(), timeout_ms(steady_now_ns())) < 0 && errno != EINTR)
      break;
    host_.alone([&] { serve_ready(waiting); });
  }
  host_.alone([this] { clients_.clear(); });
}

}  // namespace viridian::vswitch
