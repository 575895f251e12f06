// vmm-minimal: reads the configuration, runs the guests, says how they ended.
#include <chrono>
#include <cstdio>

#include "vmm-minimal/command_line.h"
#include "vmm-minimal/guest_run.h"

namespace viridian::vmm {
namespace {

constexpr int kExitSetUp = 1;

int main_program(int argc, char** argv) {
  const auto start = std::chrono::steady_clock::now();
  const auto parsed = parse_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto code = run_guests(std::get<Setup>(parsed), start);
  if (code) return *code;
  std::fflush(stdout);
  std::fprintf(stderr, "vmm-minimal: %s\n", code.error().message.c_str());
  return kExitSetUp;
}

}  // namespace
}  // namespace viridian::vmm

int main(int argc, char** argv) { return viridian::vmm::main_program(argc, argv); }
