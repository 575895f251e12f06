#include "vmm-minimal/serial_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace viridian::vmm {
namespace {

constexpr size_t kChunk = 4096;
constexpr size_t kMaxLine = 1024;  // a longer one is cut in two

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;  // the guest runs on without its log
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

Result<SerialLog> SerialLog::open(const std::string& file, const std::string& name,
                                  int quit_event) {
  SerialLog log;
  log.quit_event_ = quit_event;
  log.output_event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!log.output_event_) return fail_errno("eventfd", errno);
  if (file.empty()) {
    log.prefix_ = name.empty() ? "" : name + ": ";
    return log;
  }
  log.file_ = UniqueFd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!log.file_) return fail_errno(fmt::format("serial-log: {}", file), errno);
  return log;
}

void SerialLog::run(Serial& serial, PowerControl& power, int stop_event) {
  enum { kStop, kQuit, kOutput };
  std::array<pollfd, 3> wait{};
  wait[kStop] = {.fd = stop_event, .events = POLLIN, .revents = 0};
  wait[kQuit] = {.fd = quit_event_, .events = POLLIN, .revents = 0};
  wait[kOutput] = {.fd = output_event_.get(), .events = POLLIN, .revents = 0};
  while (wait[kStop].revents == 0) {
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[kQuit].revents != 0) {
      power.stop(StopReason::kHostRequest);
      wait[kQuit].fd = -1;
    }
    if (wait[kOutput].revents != 0) write_output(serial);
  }
  write_output(serial);
  if (!line_.empty()) write_line();
}

void SerialLog::write_output(Serial& serial) {
  // Rings are merged: take everything, then the next byte rings again.
  uint64_t rings = 0;
  [[maybe_unused]] const ssize_t got = ::read(output_event_.get(), &rings, sizeof(rings));
  std::array<std::byte, kChunk> chunk;
  while (const size_t count = serial.take_output(chunk)) {
    for (const std::byte byte : std::span(chunk).first(count)) {
      line_.push_back(static_cast<char>(byte));
      if (line_.back() == '\n' || line_.size() == kMaxLine) write_line();
    }
  }
}

void SerialLog::write_line() {
  if (line_.back() != '\n') line_.push_back('\n');
  line_.insert(0, prefix_);
  write_all(file_ ? file_.get() : STDOUT_FILENO, line_);
  line_.clear();
}

}  // namespace viridian::vmm
