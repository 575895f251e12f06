// Two threads that read one disk, each on its own reactor, against two bare loops.
#include <atomic>
#include <barrier>
#include <thread>

#include "bench/vhd_cases.h"

namespace viridian::bench {
namespace {

// Runs `mine` here and `other` on its own thread, at the same time, whenever run() is called: a
// ring belongs to the thread that first used it.
class Two {
 public:
  Two(std::function<Cost()> mine, std::function<Cost()> other, std::function<void()> help)
      : mine_(std::move(mine)), help_(std::move(help)), thread_([this, other = std::move(other)] {
          for (;;) {
            start_.arrive_and_wait();
            if (stop_) return;
            cost_ = other();
            is_done_.store(true);
          }
        }) {}
  ~Two() {
    stop_ = true;
    start_.arrive_and_wait();
    thread_.join();
  }
  Cost run() {
    is_done_.store(false);
    start_.arrive_and_wait();
    Cost cost = mine_();
    while (!is_done_.load())
      help_();
    cost.count += cost_.count;
    return cost;
  }

 private:
  std::function<Cost()> mine_;
  std::function<void()> help_;
  std::barrier<> start_{2};
  bool stop_ = false;
  std::atomic<bool> is_done_{false};
  Cost cost_;
  std::thread thread_;
};

}  // namespace

void measure_queues(const Settings& settings) {
  settings.report.heading("4 KiB random reads at depth 32 by two threads; R: two bare loops");
  const std::string path = settings.folder.file("queues.vhd");
  make_dynamic(path, settings.size_bytes, Fill::kWritten);
  evict(path);
  Work work;
  work.region = settings.size_bytes;
  work.bytes = 1u << 20;
  work.max_count = work.region / work.bytes;
  EngineLoop first(path, true);
  first.run(work, settings.buffers);  // so that it is known which blocks are whole
  work.is_random = true;
  work.bytes = 4096;
  work.depth = 32;
  work.seconds = settings.seconds;
  work.max_count = ~0ull;
  const Buffers buffers;  // of the second thread
  EngineLoop second(first);
  BareLoop bare_first = bare_loop_on_image(path, true);
  std::unique_ptr<BareLoop> bare_second;
  Two ours([&] { return first.run(work, settings.buffers); },
           [&] { return second.run(work, buffers); }, [&] { first.help(); });
  Two reference([&] { return bare_first.run(work, settings.buffers); },
                [&] {
                  if (!bare_second) {
                    bare_second = std::make_unique<BareLoop>(bare_loop_on_image(path, true));
                  }
                  return bare_second->run(work, buffers);
                },
                [] {});
  const auto rate = [](const Cost& cost) { return cost.rate(); };
  Pair pair = interleave(
      settings.rounds, [&] { return ours.run(); }, [&] { return reference.run(); });
  Line line = compare("two queues", "IO/s", pair, rate);
  line.line = 0.97;
  settings.report.add(line);
  pair = interleave(
      settings.rounds, [&] { return ours.run(); },
      [&] { return first.run(work, settings.buffers); });
  settings.report.add(compare("two queues, R = one of them alone", "IO/s", pair, rate));
}

}  // namespace viridian::bench
