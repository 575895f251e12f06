#include "vmm-minimal/guest_run.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "vmm-minimal/console.h"
#include "vmm-minimal/machine.h"
#include "vmm-minimal/network.h"
#include "vmm-minimal/serial_log.h"

namespace viridian::vmm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kExitPowerOff = 0, kExitSetUp = 1, kExitReset = 3, kExitGuestCrash = 4;
constexpr int kExitKvmFailure = 5, kExitStopped = 6;

int exit_code(StopReason reason) {
  switch (reason) {
    case StopReason::kPowerOff:
      return kExitPowerOff;
    case StopReason::kReset:
      return kExitReset;
    case StopReason::kTripleFault:
    case StopReason::kGuestPanic:
      return kExitGuestCrash;
    case StopReason::kHostRequest:
      return kExitStopped;
    case StopReason::kNone:
    case StopReason::kKvmFailure:
      break;
  }
  return kExitKvmFailure;
}

void say(const Config& config, const std::string& message) {
  std::fflush(stdout);
  const char* colon = config.name.empty() ? "" : ": ";
  std::fprintf(stderr, "vmm-minimal: %s%s%s\n", config.name.c_str(), colon, message.c_str());
}

// What all guests share.
struct Shared {
  Kvm kvm;
  std::unique_ptr<io::ReactorThread> devices;
  std::unique_ptr<Network> network;  // null: no guest has a NIC
};

// Guest memory is a shared mapping and so not in this number.
uint64_t own_memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kField = "RssAnon:";
    if (line.starts_with(kField)) return std::strtoull(line.c_str() + kField.size(), nullptr, 10);
  }
  return 0;
}

Result<void> report(const Config& config, const Machine& machine, Clock::time_point start) {
  if (!config.stats && config.stats_json.empty()) return {};
  Stats stats = machine.stats();
  const auto to_first_run =
      std::chrono::duration_cast<std::chrono::microseconds>(machine.first_entry() - start);
  stats.push_back({"process", "time_to_first_run_us", static_cast<uint64_t>(to_first_run.count())});
  stats.push_back({"process", "own_memory_kib", own_memory_kib()});
  if (config.stats) std::fputs(to_text(stats).c_str(), stderr);
  if (config.stats_json.empty()) return {};
  std::ofstream file(config.stats_json);
  if (!(file << to_json(stats)) || !file.flush()) {
    return fail(ErrorKind::kIo, "stats-json: {}: cannot be written", config.stats_json);
  }
  return {};
}

struct Outcome {
  StopReason reason;
  int code;
};

// `Terminal` is Console or SerialLog.
template <class Terminal>
Result<Outcome> run_once(Shared& shared, const Config& config, Terminal& terminal,
                         Clock::time_point start) {
  auto machine = Machine::create({shared.kvm, *shared.devices, shared.network.get()}, config,
                                 terminal.output_event());
  if (!machine) return Unexpected(machine.error());
  (*machine)->start();
  terminal.run((*machine)->serial(), (*machine)->stop(), (*machine)->stop().event());
  auto finished = (*machine)->finish();
  const StopReason reason = (*machine)->stop().reason();
  if (const std::string failure = (*machine)->failure(); !failure.empty()) say(config, failure);
  if (reason == StopReason::kGuestPanic) say(config, "the guest reported a crash");
  VIRIDIAN_TRY(report(config, **machine, start));
  VIRIDIAN_TRY(finished);
  return Outcome{reason, exit_code(reason)};
}

template <class Terminal>
Result<int> run_guest(Shared& shared, const Config& config, Terminal& terminal,
                      Clock::time_point start) {
  for (;;) {
    const auto outcome = run_once(shared, config, terminal, start);
    if (!outcome) return Unexpected(outcome.error());
    const bool again = outcome->reason == StopReason::kReset && config.on_reset == OnReset::kReboot;
    if (!again) return outcome->code;
    start = Clock::now();
  }
}

// After the signals are blocked, since the threads that it starts inherit that.
Result<Shared> set_up(const Setup& setup) {
  auto kvm = Kvm::open();
  if (!kvm) return Unexpected(kvm.error());
  auto devices = io::ReactorThread::start("devices");
  if (!devices) return Unexpected(devices.error());
  Shared shared{std::move(*kvm), std::move(*devices), nullptr};
  bool has_network = !setup.control_socket.empty();
  for (const Config& guest : setup.guests)
    has_network = has_network || !guest.nics.empty();
  if (!has_network) return shared;
  auto network = Network::create(*shared.devices, setup);
  if (!network) return Unexpected(network.error());
  shared.network = std::move(*network);
  return shared;
}

struct GuestThread {
  std::thread thread;
  int code = kExitSetUp;
};

void run_in_thread(GuestThread& guest, Shared& shared, const Config& config, int quit_event,
                   int ended_event, Clock::time_point start) {
  const auto run = [&]() -> Result<int> {
    auto log = SerialLog::open(config.serial_log, config.name, quit_event);
    if (!log) return Unexpected(log.error());
    return run_guest(shared, config, *log, start);
  };
  const auto code = run();
  if (!code) say(config, code.error().message);
  guest.code = code.value_or(kExitSetUp);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(ended_event, &one, sizeof(one));
}

Result<int> run_several(const Setup& setup, Clock::time_point start) {
  auto signals = take_stop_signals();
  if (!signals) return Unexpected(signals.error());
  const UniqueFd quit(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!quit || !ended) return fail_errno("eventfd", errno);
  auto shared = set_up(setup);
  if (!shared) return Unexpected(shared.error());
  std::vector<GuestThread> guests(setup.guests.size());
  for (size_t i = 0; i < guests.size(); ++i) {
    guests[i].thread = std::thread([&, i] {
      run_in_thread(guests[i], *shared, setup.guests[i], quit.get(), ended.get(), start);
    });
  }
  uint64_t ended_count = 0;
  while (ended_count < guests.size()) {
    pollfd wait[] = {{.fd = signals->get(), .events = POLLIN, .revents = 0},
                     {.fd = ended.get(), .events = POLLIN, .revents = 0}};
    if (::poll(wait, std::size(wait), -1) < 0) continue;
    const uint64_t one = 1;
    if (wait[0].revents != 0 && ::write(quit.get(), &one, sizeof(one)) > 0) signals->reset();
    uint64_t count = 0;
    if (wait[1].revents != 0 && ::read(ended.get(), &count, sizeof(count)) > 0)
      ended_count += count;
  }
  int code = 0;
  for (GuestThread& guest : guests) {
    guest.thread.join();
    if (code == 0) code = guest.code;
  }
  return code;
}

}  // namespace

Result<int> run_guests(const Setup& setup, Clock::time_point start) {
  const Config& first = setup.guests[0];
  if (setup.guests.size() > 1 || !first.serial_log.empty()) return run_several(setup, start);
  auto console = Console::open(first.use_stdin);
  if (!console) return Unexpected(console.error());
  auto shared = set_up(setup);
  if (!shared) return Unexpected(shared.error());
  return run_guest(*shared, first, *console, start);
}

}  // namespace viridian::vmm
