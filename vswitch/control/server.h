// The control socket: serves a SwitchHost to the clients of a UNIX socket, as
// docs/vswitch-control.md tells. The socket's file is its owner's alone (mode 0600).
//
// run() is the control's thread: while it runs, others call the host inside its alone() only.
#pragma once

#include <poll.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "vswitch/control/connection.h"

namespace viridian::vswitch {

constexpr size_t kMaxClients = 32;

class ControlServer {
 public:
  // Takes the place of a socket that nobody serves any more. kLocked: somebody serves it.
  static Result<std::unique_ptr<ControlServer>> create(SwitchHost& host, const std::string& path);
  ~ControlServer();  // after run(); removes the socket's file

  void run();            // until stop()
  void stop() noexcept;  // any thread, also in a signal handler

 private:
  ControlServer(SwitchHost& host, std::string path, UniqueFd socket, UniqueFd stop_event);
  void accept();
  void serve(Connection& client, short events, bool& keep);
  void serve_ready(const std::vector<pollfd>& waiting);
  int timeout_ms(uint64_t now_ns) const;

  SwitchHost& host_;
  Commands commands_;
  std::string path_;
  UniqueFd socket_;
  UniqueFd stop_event_;
  std::atomic<bool> stopping_{false};
  uint64_t sample_ns_ = 0;
  std::vector<std::unique_ptr<Connection>> clients_;
};

}  // namespace viridian::vswitch
