// What a server that a command starts says on its standard error: kept, so that a failure can be
// told in one line that gives the server's own reason.
#pragma once

#include <string>

#include "io/unique_fd.h"

namespace viridian::vhd::tool {

class ServerMessages {
 public:
  // Between the two, what this process starts writes into memory. Not while other threads run.
  void begin();
  void end();
  // The last line so far, without the program's name. Empty if there is none.
  std::string last_line() const;

 private:
  UniqueFd kept_;   // the memory
  UniqueFd saved_;  // this process's own standard error
};

}  // namespace viridian::vhd::tool
