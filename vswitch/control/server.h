// The control socket: serves a SwitchHost to the clients of a UNIX socket, as
// docs/vswitch-control.md tells. The socket's file is its owner's alone (mode 0600).
//
// run() is the control's thread: while it runs, nobody else calls the host, except inside call().
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
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

  // Any thread: runs `body` while no request is served, so that it may call the host.
  template <class Body>
  void call(Body&& body) {
    const std::lock_guard hold(mutex_);
    body();
  }

 private:
  ControlServer(SwitchHost& host, std::string path, UniqueFd socket, UniqueFd stop_event);
  void accept();
  void serve(Connection& client, short events, bool& keep);
  int timeout_ms(uint64_t now_ns) const;

  SwitchHost& host_;
  Commands commands_;
  std::string path_;
  UniqueFd socket_;
  UniqueFd stop_event_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  uint64_t sample_ns_ = 0;
  std::vector<std::unique_ptr<Connection>> clients_;
};

}  // namespace viridian::vswitch
