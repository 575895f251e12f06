#include "vmm-minimal/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace viridian::vmm {
namespace {

struct Option {
  const char* field;  // the schema's name, and the option's
  const char* help;
};
constexpr Option kOptions[] = {
    {"memory", "guest memory, such as 512M or 2G (default 512M)"},
    {"cpus", "virtual processors, 1 to 4 (default 1)"},
    {"kernel", "Linux kernel to boot (bzImage)"},
    {"initrd", "initial RAM disk"},
    {"append", "kernel command line"},
    {"payload", "instead of a kernel: a flat file of instructions"},
    {"payload-mode", "how the payload starts: long (at 1 MiB, default) or real (at 0:7C00h)"},
    {"on-reset", "when the guest resets: exit (default) or reboot"},
    {"stats-json", "write the counters to this file at the end"},
    {"serial-log", "write what the guest prints to this file, and read no terminal"},
};
constexpr Option kFlags[] = {
    {"any-kvm", "boot a kernel also where KVM has no hardware virtualization below it"},
    {"stats", "print the counters at the end"},
    {"no-hyperv", "hide Hyper-V and VMBus from the guest"},
    {"no-vmbus-ide", "do not offer the IDE disks on VMBus"},
    {"no-stdin", "do not read the terminal"},
};

Result<void> apply_config_file(Setup& setup, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    return fail(ErrorKind::kNotFound, "{}: cannot be read", path);
  }
  return apply_json(setup, path, text.str());
}

struct Given {
  std::string config_file;
  std::string values[std::size(kOptions)];
  bool flags[std::size(kFlags)] = {};
  std::vector<std::string> disks, nics, switches;
  std::string control;
};

Result<Setup> build(const Given& given, const CLI::App& app) {
  Setup setup;
  Config& config = setup.common;
  if (!given.config_file.empty()) VIRIDIAN_TRY(apply_config_file(setup, given.config_file));
  for (size_t i = 0; i < std::size(kOptions); ++i) {
    const std::string option = std::string("--") + kOptions[i].field;
    if (app.count(option) == 0) continue;
    if (auto set = set_field(config, kOptions[i].field, given.values[i]); !set) {
      return with_context(option, set.error());
    }
  }
  for (size_t i = 0; i < std::size(kFlags); ++i) {
    if (!given.flags[i]) continue;
    std::string_view field = kFlags[i].field;
    const bool off = field.starts_with("no-");
    if (off) field.remove_prefix(3);
    VIRIDIAN_TRY(set_field(config, field, off ? "false" : "true"));
  }
  for (const std::string& text : given.disks) {
    auto disk = parse_disk(text);
    if (!disk) return with_context("--disk", disk.error());
    config.disks.push_back(std::move(*disk));
  }
  for (const std::string& text : given.nics) {
    auto nic = parse_net(text);
    if (!nic) return with_context("--net", nic.error());
    config.nics.push_back(std::move(*nic));
  }
  for (const std::string& text : given.switches) {
    auto one = parse_switch(text);
    if (!one) return with_context("--switch", one.error());
    setup.switches.push_back(std::move(*one));
  }
  if (app.count("--control") > 0) setup.control_socket = given.control;
  VIRIDIAN_TRY(make_guests(setup));
  return setup;
}

}  // namespace

std::variant<Setup, int> parse_command_line(int argc, char** argv) {
  CLI::App app("A minimal VMM on KVM that gives its guest the devices of Hyper-V.");
  app.footer(
      "A disk is ADDRESS=FILE[,OPTION...]: ide0:0 to ide1:1 (channel:drive) or scsi0:0 to "
      "scsi3:254;\noptions are cache=none|writeback, format=auto|raw|vhd, ro, cdrom, serial=TEXT.\n"
      "A NIC is nic0 to nic3=netvsp (synthetic) or tulip (Intel "
      "21140)[,switch=NAME][,mac=ADDRESS]\n"
      "[,vlan=NUMBER|trunk][,queues=NUMBER][,mirror=source|destination].\n"
      "A switch is "
      "NAME=private|internal|external[,tap=INTERFACE][,vhost=SOCKET][,mtu=NUMBER]\n"
      "[,vlan=NUMBER|trunk][,mirror=source|destination].\n"
      "On the terminal, Ctrl-A x stops the machine. Exit codes: 0 power-off, 1 set-up failed, 2 "
      "bad\narguments, 3 reset, 4 guest crashed, 5 KVM failed, 6 stopped by a signal or Ctrl-A x.");
  Given given;
  app.add_option("--config", given.config_file,
                 "JSON file with the same fields, and several guests");
  for (size_t i = 0; i < std::size(kOptions); ++i) {
    app.add_option(std::string("--") + kOptions[i].field, given.values[i], kOptions[i].help);
  }
  app.add_option("--disk", given.disks, "a disk or CD-ROM drive; may be repeated")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_option("--net", given.nics, "a NIC on a virtual switch; may be repeated")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_option("--switch", given.switches, "a virtual switch; may be repeated")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_option("--control", given.control,
                 "socket at which the command vswitch shows and changes the switches");
  for (size_t i = 0; i < std::size(kFlags); ++i) {
    app.add_flag(std::string("--") + kFlags[i].field, given.flags[i], kFlags[i].help);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "vmm-minimal: %s (--help lists the options)\n", error.what());
    return kExitUsage;
  }
  auto setup = build(given, app);
  if (setup) return std::move(*setup);
  std::fprintf(stderr, "vmm-minimal: %s\n", setup.error().message.c_str());
  return kExitUsage;
}

}  // namespace viridian::vmm
