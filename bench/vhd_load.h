// The loops of vhd/tool/load/load.h for a program that ends with a line at the first error, with
// the user time of the thread counted.
#pragma once

#include "vhd/tool/load/load.h"

namespace viridian::bench {

using vhd::tool::Buffers;
using vhd::tool::Cost;
using vhd::tool::Work;

// Ends the program with a line that names what failed.
[[noreturn]] void give_up(const std::string& what);

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().message);
  return std::move(*result);
}

class EngineLoop {
 public:
  EngineLoop(const std::string& path, bool read_only)
      : loop_(must(vhd::tool::EngineLoop::open(path, read_only))) {}
  explicit EngineLoop(EngineLoop& first)
      : loop_(must(vhd::tool::EngineLoop::second(first.loop_))) {}
  void help() noexcept { loop_.help(); }
  Cost run(Work work, const Buffers& buffers);

 private:
  vhd::tool::EngineLoop loop_;
};

class BareLoop {
 public:
  BareLoop(const std::string& path, bool read_only)
      : BareLoop(must(vhd::tool::BareLoop::open(path, read_only))) {}
  explicit BareLoop(vhd::tool::BareLoop loop) : loop_(std::move(loop)) {}
  Cost run(Work work, const Buffers& buffers);

 private:
  vhd::tool::BareLoop loop_;
};

inline BareLoop bare_loop_on_image(const std::string& path, bool read_only) {
  return BareLoop(must(vhd::tool::BareLoop::on_image(path, read_only)));
}

}  // namespace viridian::bench
