// vswitch: runs virtual switches, and tells running ones what to do over their control socket.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "vswitch/limits.h"
#include "vswitch/tool/daemon.h"
#include "vswitch/tool/requests.h"

namespace viridian::vswitch {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

class CommandLine {
 public:
  CommandLine() {
    const char* from_environment = std::getenv("VIRIDIAN_VSWITCH_SOCKET");
    socket_ = from_environment == nullptr ? "/run/viridian-vswitch.sock" : from_environment;
    app_.require_subcommand(1);
    app_.add_option("-s,--socket", socket_, "the control socket; also from VIRIDIAN_VSWITCH_SOCKET")
        ->capture_default_str();
    add_run();
    add_views();
    add_changes();
    add_watching();
  }

  CLI::App& app() { return app_; }
  Result<void> run() { return action_(); }

 private:
  using Request = std::function<Result<void>(Client&)>;

  CLI::App* command(const char* name, const char* help, Request request) {
    CLI::App* one = app_.add_subcommand(name, help);
    one->fallthrough();  // --socket may come last
    one->callback([this, request = std::move(request)] {
      action_ = [this, request]() -> Result<void> {
        auto client = Client::connect(socket_);
        if (!client) return Unexpected(client.error());
        return request(*client);
      };
    });
    return one;
  }

  void add_run() {
    CLI::App* run = app_.add_subcommand("run", "run switches in this process until it is ended");
    run->fallthrough();
    run->add_option("-c,--config", daemon_.config, "what switches and ports there are, as JSON");
    run->add_option("--frames", daemon_.frames, "frames that all ports share")
        ->capture_default_str();
    run->add_option("--workers", daemon_.workers, "threads that share the ports of each switch")
        ->check(CLI::Range(1U, kMaxWorkers))
        ->capture_default_str();
    run->add_option("--memory", daemon_.dpdk.memory_mib, "MiB for frames and tables")
        ->capture_default_str();
    run->add_flag("--hugepages", daemon_.dpdk.hugepages, "take memory from hugepages");
    run->add_option("--pci", daemon_.dpdk.pci, "address of a PCI device for DPDK; may be repeated");
    run->add_flag("!--no-telemetry", daemon_.dpdk.telemetry, "without DPDK's telemetry socket");
    run->callback([this] {
      action_ = [this] {
        daemon_.socket = socket_;
        return run_daemon(daemon_);
      };
    });
  }

  void add_views() {
    CLI::App* show = command("show", "switches, ports and counters", [this](Client& client) {
      Json request = {{"command", "show"}};
      if (!switch_.empty()) request["switch"] = switch_;
      return json_ ? print_json(client, request) : print_switches(client, request);
    });
    show->add_option("switch", switch_, "only this one");
    show->add_flag("--json", json_, "all there is, as JSON");
    command("config", "the state in the form that apply takes", [](Client& client) {
      return print_json(client, {{"command", "config"}});
    });
    CLI::App* macs = command("macs", "the addresses that a switch knows", [this](Client& client) {
      return print_macs(client, {{"command", "macs"}, {"switch", switch_}, {"limit", limit_}});
    });
    macs->add_option("switch", switch_)->required();
    macs->add_option("--limit", limit_, "how many to show at most")->capture_default_str();
    command("metrics", "all counters as OpenMetrics", [](Client& client) {
      return print_text(client, {{"command", "metrics"}});
    });
    CLI::App* explain =
        command("explain", "what becomes of a frame, and why", [this](Client& client) {
          explain_["command"] = "explain";
          explain_["switch"] = switch_;
          explain_["port"] = port_;
          return print_explanation(client, explain_);
        });
    add_switch_and_port(explain);
    for (const char* name : {"frame", "source", "destination"}) {
      explain->add_option_function<std::string>(
          std::string("--") + name,
          [this, name](const std::string& text) { explain_[name] = text; },
          std::string(name) == "frame" ? "all of it in hexadecimal digits"
                                       : "an Ethernet address of the frame");
    }
    explain->add_option_function<uint16_t>(
        "--ethertype", [this](uint16_t value) { explain_["ethertype"] = value; });
    explain->add_option_function<uint16_t>(
        "--tag", [this](uint16_t value) { explain_["tag"] = value; }, "its VLAN tag");
  }

  void add_changes() {
    CLI::App* apply = command(
        "apply", "make switches and ports what a file says",
        [this](Client& client) -> Result<void> {
          const auto config = read_json_file(file_);
          if (!config) return Unexpected(config.error());
          return print_changes(
              client, {{"command", "apply"}, {"config", *config}, {"only_tell", only_tell_}});
        });
    apply->add_option("file", file_, "JSON; - is the standard input")->required();
    apply->add_flag("--only-tell", only_tell_, "change nothing");
    add_edit("add-switch", "a new switch: kind=private|internal|external and more", false, true);
    add_edit("set-switch", "change fields of a switch", false, true);
    add_edit("remove-switch", "with all its ports", false, false);
    add_edit("add-port", "a new port: type=tap interface=NAME and more", true, true);
    add_edit("set-port", "change fields of a port: vlan.mode=access vlan.vlan=10", true, true);
    add_edit("remove-port", "take a port away", true, false);
    CLI::App* request =
        command("request", "send one request as it is", [this](Client& client) -> Result<void> {
          Json json;
          std::string error;
          if (!parse_json(file_, json, error))
            return fail(ErrorKind::kInvalidArgument, "request: {}", error);
          return print_json(client, json);
        });
    request->add_option("json", file_)->required();
  }

  void add_edit(const char* name, const char* help, bool has_port, bool has_fields) {
    std::string command_name = name;
    command_name.replace(command_name.find('-'), 1, "_");
    CLI::App* one = command(name, help, [this, command_name, has_port](Client& client) {
      return edit(client, command_name, has_port);
    });
    if (has_port) {
      add_switch_and_port(one);
    } else {
      one->add_option("switch", switch_)->required();
    }
    if (has_fields) one->add_option("fields", fields_, "FIELD=VALUE, null takes a field back");
  }

  Result<void> edit(Client& client, const std::string& name, bool has_port) {
    auto fields = parse_assignments(fields_);
    if (!fields) return Unexpected(fields.error());
    Json request = {{"command", name}, {"switch", switch_}};
    if (has_port) request["port"] = port_;
    if (name.starts_with("add_")) {
      (*fields)["name"] = has_port ? port_ : switch_;
      request[has_port ? "port" : "switch"] = *fields;
    } else if (name.starts_with("set_")) {
      request["set"] = *fields;
    }
    return print_changes(client, request);
  }

  void add_switch_and_port(CLI::App* one) {
    one->add_option("switch", switch_)->required();
    one->add_option("port", port_)->required();
  }

  void add_watching() {
    CLI::App* look =
        command("watch", "counters and rates, again and again",
                [this](Client& client) { return watch(client, interval_ms_, count_, json_); });
    look->add_option("--interval", interval_ms_, "in milliseconds")->capture_default_str();
    look->add_option("--count", count_, "end after so many; 0: never");
    look->add_flag("--json", json_, "a line of JSON each time");
    CLI::App* record = command("capture", "frames as pcapng", [this](Client& client) {
      Json request = {{"command", "capture"}, {"switch", switch_}};
      if (!port_.empty()) request["port"] = port_;
      if (dropped_) request["dropped"] = true;
      if (!reason_.empty()) {
        request["reason"] = reason_;
        request["in"] = false;
        request["out"] = false;
      }
      if (snap_bytes_ != 0) request["snap_bytes"] = snap_bytes_;
      return capture(client, request, capture_);
    });
    record->add_option("switch", switch_)->required();
    record->add_option("port", port_, "only this one");
    record->add_option("-w,--write", capture_.file, "a file; - is the standard output")
        ->capture_default_str();
    record->add_flag("--dropped", dropped_, "also the frames that are dropped");
    record->add_option("--reason", reason_, "only those that are dropped for this reason");
    record->add_option("--snap", snap_bytes_, "only so many bytes of each frame");
    record->add_option("--seconds", capture_.seconds, "end after this time");
  }

  CLI::App app_{"virtual switches: runs them, and tells running ones what to do", "vswitch"};
  std::function<Result<void>()> action_;
  std::string socket_, switch_, port_, file_, reason_;
  std::vector<std::string> fields_;
  bool json_ = false, only_tell_ = false, dropped_ = false;
  uint32_t limit_ = 1000, interval_ms_ = 1000, count_ = 0, snap_bytes_ = 0;
  Json explain_;
  CaptureOptions capture_;
  DaemonOptions daemon_;
};

int start(int argc, char** argv) {
  CommandLine line;
  try {
    line.app().parse(argc, argv);
  } catch (const CLI::Success& success) {
    return line.app().exit(success);  // --help
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "vswitch: %s; 'vswitch --help' shows how it is used\n", error.what());
    return kExitUsage;
  }
  const auto result = line.run();
  if (result) return 0;
  std::fprintf(stderr, "vswitch: %s\n", result.error().message.c_str());
  return kExitFailed;
}

}  // namespace
}  // namespace viridian::vswitch

int main(int argc, char** argv) { return viridian::vswitch::start(argc, argv); }
