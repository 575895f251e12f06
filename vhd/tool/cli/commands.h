// The commands of vhdtool, in the order of its help: each declares its options and examples.
#pragma once

#include "vhd/tool/cli/command_line.h"

namespace viridian::vhd::tool {

void add_create(CommandLine& line);
void add_snapshot(CommandLine& line);
void add_info(CommandLine& line);
void add_convert(CommandLine& line);
void add_dd(CommandLine& line);
void add_measure(CommandLine& line);
void add_bench(CommandLine& line);
void add_azure(CommandLine& line);
void add_serve(CommandLine& line);
void add_mount(CommandLine& line);
void add_check(CommandLine& line);
void add_resize(CommandLine& line);
void add_compact(CommandLine& line);
void add_commit(CommandLine& line);
void add_repair(CommandLine& line);
void add_map(CommandLine& line);
void add_chain(CommandLine& line);
void add_compare(CommandLine& line);
void add_rebase(CommandLine& line);
void add_relink(CommandLine& line);

inline void add_commands(CommandLine& line) {
  add_create(line);
  add_snapshot(line);
  add_info(line);
  add_convert(line);
  add_dd(line);
  add_measure(line);
  add_bench(line);
  add_azure(line);
  add_serve(line);
  add_mount(line);
  add_check(line);
  add_resize(line);
  add_compact(line);
  add_commit(line);
  add_repair(line);
  add_map(line);
  add_chain(line);
  add_compare(line);
  add_rebase(line);
  add_relink(line);
}

}  // namespace viridian::vhd::tool
