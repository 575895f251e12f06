// vmm-minimal: reads the configuration, builds the machine, runs it, says how it ended.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "vmm-minimal/command_line.h"
#include "vmm-minimal/console.h"
#include "vmm-minimal/machine.h"

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

void say(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "vmm-minimal: %s\n", message.c_str());
}

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

Result<Outcome> run_once(const Kvm& kvm, const Config& config, Console& console,
                         Clock::time_point start) {
  auto machine = Machine::create(kvm, config, console.output_event());
  if (!machine) return Unexpected(machine.error());
  (*machine)->start();
  console.run((*machine)->serial(), (*machine)->stop(), (*machine)->stop().event());
  auto finished = (*machine)->finish();
  const StopReason reason = (*machine)->stop().reason();
  if (const std::string failure = (*machine)->failure(); !failure.empty()) say(failure);
  if (reason == StopReason::kGuestPanic) say("the guest reported a crash");
  VIRIDIAN_TRY(report(config, **machine, start));
  VIRIDIAN_TRY(finished);
  return Outcome{reason, exit_code(reason)};
}

Result<int> run(const Config& config, Clock::time_point start) {
  const auto kvm = Kvm::open();
  if (!kvm) return Unexpected(kvm.error());
  auto console = Console::open(config.use_stdin);
  if (!console) return Unexpected(console.error());
  for (;;) {
    const auto outcome = run_once(*kvm, config, *console, start);
    if (!outcome) return Unexpected(outcome.error());
    const bool again = outcome->reason == StopReason::kReset && config.on_reset == OnReset::kReboot;
    if (!again) return outcome->code;
    start = Clock::now();
  }
}

}  // namespace

int main_program(int argc, char** argv) {
  const auto start = Clock::now();
  const auto parsed = parse_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto code = run(std::get<Config>(parsed), start);
  if (code) return *code;
  say(code.error().message);
  return kExitSetUp;
}

}  // namespace viridian::vmm

int main(int argc, char** argv) { return viridian::vmm::main_program(argc, argv); }
