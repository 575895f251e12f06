// What one guest among several prints: into its own file, or on standard output with the guest's
// name before each line. Nothing is read. Belongs to the guest's own thread (console.h is its
// counterpart for a single guest).
#pragma once

#include <string>

#include "base/result.h"
#include "io/unique_fd.h"
#include "vmm-minimal/exit_handlers.h"
#include "vmm-minimal/serial.h"

namespace viridian::vmm {

class SerialLog {
 public:
  // `file` may be empty. run() stops the machine when `quit_event` (an eventfd) is readable.
  static Result<SerialLog> open(const std::string& file, const std::string& name, int quit_event);

  int output_event() const { return output_event_.get(); }  // for Serial

  // Returns when `stop_event` is readable; everything the guest sent is written then.
  void run(Serial& serial, PowerControl& power, int stop_event);

 private:
  SerialLog() = default;
  void write_output(Serial& serial);
  void write_line();

  UniqueFd output_event_, file_;  // no file: standard output
  std::string prefix_;
  std::string line_;
  int quit_event_ = -1;
};

}  // namespace viridian::vmm
