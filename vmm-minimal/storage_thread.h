// The thread that owns the reactor of all disks, and how others run something on it: set-up and
// clean-up that may itself turn the reactor, such as opening an image or waiting for a flush.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "io/reactor.h"

namespace viridian::vmm {

class StorageThread {
 public:
  static Result<std::unique_ptr<StorageThread>> start();
  ~StorageThread();  // what is on the reactor must be gone

  io::Reactor& reactor() { return *reactor_; }

  // Runs `task` on the reactor's thread, between its turns and so outside of any completion, and
  // waits for its end. Control path; not from the reactor's thread.
  template <class Task>
  void call(Task&& task) {
    run_task([](void* context) { (*static_cast<std::remove_reference_t<Task>*>(context))(); },
             &task);
  }

 private:
  using Run = void (*)(void* context);

  StorageThread() = default;
  void run_task(Run run, void* context);
  void loop();

  std::unique_ptr<io::Reactor> reactor_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::stop_source interrupt_;  // ends the reactor's run() so that the thread looks for a task
  Run run_ = nullptr;
  void* context_ = nullptr;
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace viridian::vmm
