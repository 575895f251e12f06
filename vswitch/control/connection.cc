#include "vswitch/control/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace viridian::vswitch {
namespace {

constexpr uint64_t kCaptureNs = 20'000'000;  // between two looks at what was captured
constexpr size_t kReadBytes = 65536;

}  // namespace

Connection::Connection(UniqueFd fd, SwitchHost& host, Commands& commands)
    : fd_(std::move(fd)), host_(host), commands_(commands) {}

Connection::~Connection() { stop_capture(); }

short Connection::wanted_events() const noexcept {
  const bool reads = out_.size() < kMaxWaitingBytes && !last_;
  return static_cast<short>((reads ? POLLIN : 0) | (out_.empty() ? 0 : POLLOUT));
}

bool Connection::read() {
  std::array<char, kReadBytes> bytes;
  const ssize_t got = ::recv(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) {  // it sends no more, but may wait for its answer
    last_ = true;
    return !out_.empty() && due_ns_ == UINT64_MAX;
  }
  in_.append(bytes.data(), static_cast<size_t>(got));
  run_lines();
  return true;
}

bool Connection::send() {
  const ssize_t sent = ::send(fd(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  out_.erase(0, static_cast<size_t>(sent));
  if (out_.empty() && last_) return false;
  run_lines();  // that had to wait
  return true;
}

void Connection::run_lines() {
  size_t begin = 0;
  while (out_.size() < kMaxWaitingBytes && captures_.empty() && !last_) {
    const size_t end = in_.find('\n', begin);
    if (end == in_.npos) break;
    run_line(in_.substr(begin, end - begin));
    begin = end + 1;
  }
  in_.erase(0, begin);
  if (!captures_.empty()) in_.clear();  // nothing follows a capture
  if (in_.size() > kMaxRequestBytes && !last_) {
    out_ += fmt::format("{{\"ok\":false,\"error\":\"the request is longer than {} bytes\"}}\n",
                        kMaxRequestBytes);
    last_ = true;
  }
}

void Connection::run_line(const std::string& line) {
  if (line.empty() || line == "\r") return;
  if (line.starts_with("GET ")) return answer_http(line);
  Answer answer = commands_.answer(line);
  if (answer.capture) start_capture(*answer.capture, answer);
  out_ += answer.json.dump() + "\n";
  if (answer.watch_ms) {
    watch_ns_ = *answer.watch_ms * uint64_t{1'000'000};
    due_ns_ = 0;
  }
}

// As much of HTTP as it takes to be scraped.
void Connection::answer_http(const std::string& line) {
  const bool known = line.starts_with("GET /metrics ");
  const std::string body = known ? commands_.metrics() : "only /metrics is here\n";
  out_ += fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      known ? "200 OK" : "404 Not Found",
      known ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain",
      body.size(), body);
  last_ = true;
}

void Connection::start_capture(const CaptureRequest& request, Answer& answer) {
  SwitchGroup& group = *host_.find(request.switch_name)->group;
  capture_switch_ = request.switch_name;
  Result<void> added;
  for (unsigned worker = 0; added && worker < group.worker_count(); ++worker) {
    captures_.push_back(std::make_unique<Capture>(request.filter));
    host_.on_worker(worker, [&] { added = group.view(worker).add_capture(*captures_.back()); });
  }
  if (!added) {
    stop_capture();
    answer.json["ok"] = false;
    answer.json["error"] = added.error().message;
    answer.json.erase("result");
    return;
  }
  writer_ = std::make_unique<PcapngWriter>();
  due_ns_ = 0;
}

void Connection::stop_capture() {
  SwitchHost::Switch* one = host_.find(capture_switch_);
  for (unsigned worker = 0; one != nullptr && worker < captures_.size(); ++worker) {
    host_.on_worker(worker, [&] { one->group->view(worker).remove_capture(*captures_[worker]); });
  }
  captures_.clear();
}

void Connection::drain_captures() {
  for (const auto& capture : captures_)
    drain(*capture);
  out_ += writer_->bytes();
  writer_->bytes().clear();
}

void Connection::drain(Capture& capture) {
  CapturedFrame frame;
  std::vector<std::byte> data;
  const SwitchHost::Switch* one = host_.find(capture_switch_);
  while (out_.size() + writer_->bytes().size() < kMaxWaitingBytes && capture.take(frame, data)) {
    if (!writer_->knows(frame.port)) {
      const SwitchHost::Port* port = one == nullptr ? nullptr : one->find(frame.port);
      writer_->add_interface(
          frame.port,
          port == nullptr ? fmt::format("port {}", frame.port) : port->config.settings.name,
          capture.filter().snap_bytes);
    }
    uint64_t missed = 0;
    for (const auto& one_worker : captures_)
      missed += one_worker->missed();
    writer_->add_frame(frame, data, missed - missed_);
    missed_ = missed;
  }
}

void Connection::advance(uint64_t now_ns) {
  if (now_ns < due_ns_) return;
  if (!captures_.empty()) {
    drain_captures();
    due_ns_ = now_ns + kCaptureNs;
  } else {
    if (out_.size() < kMaxWaitingBytes) out_ += commands_.watch().dump() + "\n";
    due_ns_ = now_ns + watch_ns_;
  }
}

}  // namespace viridian::vswitch
