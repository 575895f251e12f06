#include "vhd/tool/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace viridian::vhd::tool {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

extern "C" void note_interrupt(int) { g_interrupted = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  for (int number : {SIGINT, SIGTERM, SIGHUP})
    ::sigaction(number, &action, nullptr);
}

bool interrupted() { return g_interrupted != 0; }

}  // namespace viridian::vhd::tool
