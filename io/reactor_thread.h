// A thread that owns a reactor (of all disks, of a switch), and how others run something on it:
// set-up and clean-up that may itself turn the reactor, such as opening an image or waiting for a
// flush.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "io/reactor.h"

namespace viridian::io {

class ReactorThread {
  struct Task {
    void (*run)(void* context);
    void* context;
    bool done = false;
  };

 public:
  static Result<std::unique_ptr<ReactorThread>> start(const char* name);  // a literal
  ~ReactorThread();  // what is on the reactor must be gone

  Reactor& reactor() { return *reactor_; }

  // Runs `body` on the reactor's thread, between its turns and so outside of any completion, and
  // waits for its end. Control path; not from the reactor's thread.
  template <class Body>
  void call(Body&& body) {
    Task request{[](void* context) { (*static_cast<std::remove_reference_t<Body>*>(context))(); },
                 &body};
    run(request);
  }

 private:
  ReactorThread() = default;
  void run(Task& task);
  void loop();

  std::unique_ptr<Reactor> reactor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::stop_source interrupt_;  // ends the reactor's run() so that the thread looks for a task
  Task* task_ = nullptr;        // what the thread shall run; other callers wait for its end
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace viridian::io
