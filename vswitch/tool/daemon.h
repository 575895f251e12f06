// `vswitch run`: a process that is nothing but switches, until SIGINT or SIGTERM. Main thread.
#pragma once

#include <string>

#include "vswitch/dpdk.h"

namespace viridian::vswitch {

struct DaemonOptions {
  std::string config;  // a file; empty: no switches yet
  std::string socket;
  uint32_t frames = 8192;  // of the one pool
  uint32_t workers = 1;    // threads that share the ports
  DpdkOptions dpdk = {.telemetry = true};
};

// Prints a line when the socket is served.
Result<void> run_daemon(const DaemonOptions& options);

}  // namespace viridian::vswitch
