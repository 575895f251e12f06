// One client of the control socket: its lines of requests, and what is to be sent to it. A client
// that does not read gets no answers to further requests until it does. Control's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/unique_fd.h"
#include "vswitch/control/commands.h"
#include "vswitch/control/pcapng.h"

namespace viridian::vswitch {

constexpr size_t kMaxRequestBytes = 8U << 20;
constexpr size_t kMaxWaitingBytes = 1U << 20;  // to be sent, before nothing more is begun

class Connection {
 public:
  Connection(UniqueFd fd, SwitchHost& host, Commands& commands);
  ~Connection();  // ends its capture
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const noexcept { return fd_.get(); }
  short wanted_events() const noexcept;  // of poll(2)

  // False: the client is gone, or is not to be kept.
  bool read();
  bool send();
  void advance(uint64_t now_ns);  // what watch and capture have for it by now

  // When advance() is next due; UINT64_MAX: never.
  uint64_t due_ns() const noexcept { return due_ns_; }

 private:
  void run_lines();
  void run_line(const std::string& line);
  void start_capture(const CaptureRequest& request, Answer& answer);
  void stop_capture();
  void drain(Capture& capture);
  void drain_captures();
  void answer_http(const std::string& line);

  UniqueFd fd_;
  SwitchHost& host_;
  Commands& commands_;
  std::string in_;
  std::string out_;
  bool last_ = false;  // after what is to be sent, the client goes
  uint64_t due_ns_ = UINT64_MAX;
  uint64_t watch_ns_ = 0;
  std::string capture_switch_;
  std::vector<std::unique_ptr<Capture>> captures_;  // one for each worker
  std::unique_ptr<PcapngWriter> writer_;
  uint64_t missed_ = 0;
};

}  // namespace viridian::vswitch
