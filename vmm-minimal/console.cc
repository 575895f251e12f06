#include "vmm-minimal/console.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace viridian::vmm {
namespace {

constexpr std::byte kCtrlA{1};

// Writing to a pipe or a terminal that poll() calls writable does not block up to this size.
constexpr size_t kOutputChunk = 4096;
// How long a stopped machine waits for a reader that takes nothing.
constexpr int kLastOutputTimeoutMs = 1000;

bool write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool output_is_writable(int timeout_ms) {
  pollfd out{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&out, 1, timeout_ms) == 1;
}

}  // namespace

Result<UniqueFd> take_stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd taken(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!taken) return fail_errno("signalfd", errno);
  return taken;
}

Result<Console> Console::open(bool use_stdin) {
  Console console;
  console.use_stdin_ = use_stdin;
  console.output_event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!console.output_event_) return fail_errno("eventfd", errno);
  auto signals = take_stop_signals();
  if (!signals) return Unexpected(signals.error());
  console.signals_ = std::move(*signals);
  // A program in the background of its terminal would be stopped for touching it.
  if (::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) {
    console.use_stdin_ = false;
  }
  if (console.use_stdin_) console.enter_raw_mode();
  return console;
}

Console::~Console() {
  if (cooked_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &*cooked_);
}

void Console::enter_raw_mode() {
  termios mode{};
  if (::tcgetattr(STDIN_FILENO, &mode) < 0) return;  // no terminal
  cooked_ = mode;
  ::cfmakeraw(&mode);
  mode.c_oflag |= OPOST;  // our own messages end lines with '\n' alone
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
}

void Console::run(Serial& serial, PowerControl& power, int stop_event) {
  enum { kStop, kSignal, kOutput, kInput };
  for (;;) {
    std::array<pollfd, 4> wait{};
    wait[kStop] = {.fd = stop_event, .events = POLLIN, .revents = 0};
    wait[kSignal] = {.fd = signals_.get(), .events = POLLIN, .revents = 0};
    wait[kOutput] = {.fd = output_event_.get(), .events = POLLIN, .revents = 0};
    // While the guest has not read what it has, more input waits in the terminal.
    const bool want_input = use_stdin_ && serial.input_space() > 0;
    wait[kInput] = {.fd = want_input ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
    constexpr int kRetryInputMs = 50;
    if (::poll(wait.data(), wait.size(), use_stdin_ && !want_input ? kRetryInputMs : -1) < 0) {
      continue;
    }
    if (wait[kSignal].revents != 0) {
      signalfd_siginfo info{};
      [[maybe_unused]] const ssize_t got = ::read(signals_.get(), &info, sizeof(info));
      power.stop(StopReason::kHostRequest);
    }
    if (wait[kOutput].revents != 0) write_output(serial);
    if (wait[kInput].revents != 0) read_input(serial, power);
    if (wait[kStop].revents != 0) break;
  }
  std::array<std::byte, kOutputChunk> chunk;
  while (output_is_writable(kLastOutputTimeoutMs)) {
    const size_t count = serial.take_output(chunk);
    if (count == 0 || !write_all(std::span(chunk).first(count))) break;
  }
}

void Console::write_output(Serial& serial) {
  // Rings are merged: take everything, then the next byte rings again.
  uint64_t rings = 0;
  [[maybe_unused]] const ssize_t got = ::read(output_event_.get(), &rings, sizeof(rings));
  std::array<std::byte, kOutputChunk> chunk;
  for (;;) {
    if (!output_is_writable(0)) {
      // Come back soon, but stay able to stop.
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t put = ::write(output_event_.get(), &one, sizeof(one));
      constexpr int kReaderWaitMs = 20;
      output_is_writable(kReaderWaitMs);
      return;
    }
    const size_t count = serial.take_output(chunk);
    if (count == 0) return;
    write_all(std::span(chunk).first(count));
  }
}

void Console::read_input(Serial& serial, PowerControl& power) {
  std::array<std::byte, 256> bytes;
  const size_t space = std::min(bytes.size(), serial.input_space());
  const ssize_t got = ::read(STDIN_FILENO, bytes.data(), space);
  if (got <= 0) {
    if (got == 0 || (errno != EINTR && errno != EAGAIN)) use_stdin_ = false;  // its end
    return;
  }
  size_t kept = 0;
  for (const std::byte key : std::span(bytes).first(static_cast<size_t>(got))) {
    // Without a terminal cooked_ is false: every byte is the guest's.
    if (cooked_ && escaped_) {
      escaped_ = false;
      if (key == std::byte{'x'}) {
        power.stop(StopReason::kHostRequest);
        return;
      }
      if (key == std::byte{'a'}) bytes[kept++] = kCtrlA;
    } else if (cooked_ && key == kCtrlA) {
      escaped_ = true;
    } else {
      bytes[kept++] = key;
    }
  }
  serial.give_input(std::span(bytes).first(kept));
}

}  // namespace viridian::vmm
