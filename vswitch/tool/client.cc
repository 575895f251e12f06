#include "vswitch/tool/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "vswitch/unix_socket.h"

namespace viridian::vswitch {

Result<Client> Client::connect(const std::string& path) {
  const auto address = unix_address(path, "--socket");
  if (!address) return Unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket", errno);
  if (::connect(fd.get(), generic_address(*address), sizeof(*address)) != 0)
    return fail_errno(fmt::format("--socket: {}: no switch answers", path), errno);
  return Client(std::move(fd));
}

Result<Json> Client::ask(const Json& request) {
  const std::string text = request.dump() + "\n";
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t now = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (now < 0 && errno != EINTR) return fail_errno("the control socket", errno);
    if (now > 0) sent += static_cast<size_t>(now);
  }
  auto answered = line();
  if (!answered) return Unexpected(answered.error());
  const Json answer = Json::parse(*answered, nullptr, false);
  if (!answer.is_object() || !answer.contains("ok"))
    return fail(ErrorKind::kIo, "the control socket: its answer is none");
  if (answer["ok"] == true) return answer.value("result", Json());
  return fail(ErrorKind::kInvalidArgument, "{}", answer.value("error", "it failed"));
}

Result<std::string> Client::line() {
  for (;;) {
    if (const size_t end = in_.find('\n'); end != in_.npos) {
      std::string found = in_.substr(0, end);
      in_.erase(0, end + 1);
      return found;
    }
    std::string before = std::exchange(in_, {});
    auto more = bytes(-1);
    if (!more) return more;
    if (more->empty()) return fail(ErrorKind::kIo, "the switch has ended the connection");
    in_ = before + *more;
  }
}

Result<std::string> Client::bytes(int timeout_ms) {
  if (!in_.empty()) return std::exchange(in_, {});
  pollfd waiting = {fd_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, timeout_ms) <= 0) return "";
  std::string buffer(65536, '\0');
  const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return fail_errno("the control socket", errno);
  buffer.resize(static_cast<size_t>(got));
  return buffer;
}

}  // namespace viridian::vswitch
