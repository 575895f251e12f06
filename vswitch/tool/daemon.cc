#include "vswitch/tool/daemon.h"

#include <signal.h>

#include <cstdio>

#include "vswitch/control/server.h"
#include "vswitch/control/telemetry.h"
#include "vswitch/tool/requests.h"

namespace viridian::vswitch {
namespace {

ControlServer* stopped_by_signal = nullptr;

// SIGINT and SIGTERM end the server while this lives.
class SignalsStop {
 public:
  explicit SignalsStop(ControlServer& server) {
    stopped_by_signal = &server;
    struct sigaction action = {};
    action.sa_handler = [](int) { stopped_by_signal->stop(); };
    ::sigaction(SIGINT, &action, &old_int_);
    ::sigaction(SIGTERM, &action, &old_term_);
  }
  ~SignalsStop() {
    ::sigaction(SIGINT, &old_int_, nullptr);
    ::sigaction(SIGTERM, &old_term_, nullptr);
  }

 private:
  struct sigaction old_int_ = {};
  struct sigaction old_term_ = {};
};

}  // namespace

Result<void> run_daemon(const DaemonOptions& options) {
  HostConfig config;
  if (!options.config.empty()) {
    const auto json = read_json_file(options.config);
    if (!json) return Unexpected(json.error());
    auto parsed = parse_config(*json);
    if (!parsed) return with_context(options.config, std::move(parsed).error());
    config = std::move(*parsed);
  }
  VIRIDIAN_TRY(start_dpdk(options.dpdk));
  auto pool = make_frame_pool("vswitch", options.frames);
  if (!pool) return with_context("--frames, --memory", std::move(pool).error());
  std::vector<std::unique_ptr<io::ReactorThread>> threads;
  std::vector<io::ReactorThread*> workers;
  for (uint32_t i = 0; i < options.workers; ++i) {
    auto thread = io::ReactorThread::start("vswitch");
    if (!thread) return Unexpected(thread.error());
    threads.push_back(std::move(*thread));
    workers.push_back(threads.back().get());
  }
  SwitchHost host(workers, pool->get());
  auto server = ControlServer::create(host, options.socket);
  if (!server) return Unexpected(server.error());
  if (auto applied = host.apply(config); !applied)
    return with_context(options.config, std::move(applied).error());
  const Telemetry telemetry(host);
  const SignalsStop signals(**server);
  std::printf("vswitch: serving %s\n", options.socket.c_str());
  std::fflush(stdout);
  (*server)->run();
  return {};
}

}  // namespace viridian::vswitch
