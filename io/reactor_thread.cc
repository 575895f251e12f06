#include "io/reactor_thread.h"

#include <pthread.h>

namespace viridian::io {

Result<std::unique_ptr<ReactorThread>> ReactorThread::start(const char* name) {
  std::unique_ptr<ReactorThread> thread(new ReactorThread);
  auto reactor = Reactor::create();
  if (!reactor) return Unexpected(reactor.error());
  thread->reactor_ = std::move(*reactor);
  thread->thread_ = std::thread([self = thread.get(), name] {
    ::pthread_setname_np(::pthread_self(), name);
    self->loop();
  });
  return thread;
}

ReactorThread::~ReactorThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard hold(mutex_);
    quit_ = true;
    interrupt_.request_stop();
  }
  thread_.join();
}

void ReactorThread::run(Task& task) {
  std::unique_lock hold(mutex_);
  changed_.wait(hold, [this] { return task_ == nullptr; });
  task_ = &task;
  interrupt_.request_stop();
  changed_.wait(hold, [&] { return task.done; });
}

void ReactorThread::loop() {
  std::unique_lock hold(mutex_);
  while (!quit_) {
    if (task_ != nullptr) {
      hold.unlock();
      task_->run(task_->context);
      hold.lock();
      task_->done = true;
      task_ = nullptr;
      changed_.notify_all();
      continue;
    }
    interrupt_ = std::stop_source();
    const std::stop_token stop = interrupt_.get_token();
    hold.unlock();
    reactor_->run(stop);
    hold.lock();
  }
}

}  // namespace viridian::io
