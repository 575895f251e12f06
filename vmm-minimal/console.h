// The terminal behind COM1, and the main thread's wait: moves bytes between stdin, stdout and the
// serial port until the machine stops or SIGINT, SIGTERM or Ctrl-A x ask for it.
//
// A terminal is put into raw mode and restored at the end; Ctrl-A a sends a Ctrl-A. Only the main
// thread writes to stdout, so a reader that stalls stops nothing but the console.
#pragma once

#include <termios.h>

#include <optional>

#include "base/result.h"
#include "io/unique_fd.h"
#include "vmm-minimal/exit_handlers.h"
#include "vmm-minimal/serial.h"

namespace viridian::vmm {

// SIGINT and SIGTERM: a descriptor that is readable when one came. Blocks them for the calling
// thread and all that it starts later; SIGPIPE becomes an ordinary error of write().
Result<UniqueFd> take_stop_signals();

class Console {
 public:
  // Takes the stop signals, so it comes before every other thread.
  static Result<Console> open(bool use_stdin);
  Console(Console&&) = default;
  Console& operator=(Console&&) = delete;
  ~Console();

  int output_event() const { return output_event_.get(); }  // for Serial

  // Returns when `stop_event` (an eventfd) is readable; everything the guest sent is written then.
  void run(Serial& serial, PowerControl& power, int stop_event);

 private:
  Console() = default;
  void enter_raw_mode();
  void read_input(Serial& serial, PowerControl& power);
  void write_output(Serial& serial);

  UniqueFd output_event_;
  UniqueFd signals_;
  bool use_stdin_ = false;
  bool escaped_ = false;  // the last key was Ctrl-A
  std::optional<termios> cooked_;
};

}  // namespace viridian::vmm
