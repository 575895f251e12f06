// The other end of the control socket: one request and its answer, and what follows it. Blocking;
// one thread.
#pragma once

#include <string>

#include "base/result.h"
#include "io/unique_fd.h"
#include "vswitch/control/fields.h"

namespace viridian::vswitch {

class Client {
 public:
  static Result<Client> connect(const std::string& path);

  // The "result" of the answer. An error is the server's line.
  Result<Json> ask(const Json& request);

  Result<std::string> line();  // the next one that the server sends
  // Some of the bytes that it sends; none: it has ended, or nothing came in time (-1: for ever).
  Result<std::string> bytes(int timeout_ms);

 private:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  std::string in_;
};

}  // namespace viridian::vswitch
