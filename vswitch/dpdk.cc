#include "vswitch/dpdk.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <sched.h>

namespace viridian::vswitch {
namespace {

constexpr unsigned kPoolCache = 256;

// rte_eal_init() binds its caller to one processor, and all threads that it starts inherit that.
class KeptAffinity {
 public:
  KeptAffinity() { known_ = ::sched_getaffinity(0, sizeof(set_), &set_) == 0; }
  ~KeptAffinity() {
    if (known_) ::sched_setaffinity(0, sizeof(set_), &set_);
  }

  // One that this process may use: processor 0 need not be among them.
  unsigned first() const {
    for (unsigned i = 0; known_ && i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set_)) return i;
    }
    return 0;
  }

 private:
  cpu_set_t set_;
  bool known_;
};

std::vector<std::string> arguments_of(const DpdkOptions& options, unsigned processor) {
  std::vector<std::string> result = {"viridian", "--no-telemetry", "--log-level=*:error",
                                     "--log-level=lib.vhost*:critical",
                                     fmt::format("--lcores=0@{}", processor)};
  if (options.pci.empty()) result.emplace_back("--no-pci");
  for (const std::string& address : options.pci)
    result.push_back("--allow=" + address);
  if (options.hugepages) {
    result.emplace_back("--in-memory");
  } else {
    // DPDK 22.11 refuses --in-memory here; this one, too, leaves no file and meets no other
    // process.
    result.insert(result.end(), {"--no-huge", "--no-shconf"});
  }
  result.insert(result.end(), {"-m", std::to_string(options.memory_mib)});
  for (const std::string& device : options.devices)
    result.push_back("--vdev=" + device);
  result.insert(result.end(), options.more.begin(), options.more.end());
  return result;
}

}  // namespace

Result<void> start_dpdk(const DpdkOptions& options) {
  static bool started = false;
  if (started) return {};
  const KeptAffinity affinity;
  std::vector<std::string> texts = arguments_of(options, affinity.first());
  std::vector<char*> arguments;
  arguments.reserve(texts.size());
  for (std::string& text : texts)
    arguments.push_back(text.data());
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0) {
    return fail(ErrorKind::kIo, "DPDK does not start: {}{}", rte_strerror(rte_errno),
                options.hugepages ? "; are hugepages reserved (/proc/sys/vm/nr_hugepages)?" : "");
  }
  started = true;
  return {};
}

DpdkThread::DpdkThread() : registered_(rte_lcore_id() == LCORE_ID_ANY) {
  if (registered_) registered_ = rte_thread_register() == 0;
}

DpdkThread::~DpdkThread() {
  if (registered_) rte_thread_unregister();
}

Result<FramePool> make_frame_pool(const std::string& name, uint32_t frames, uint16_t data_bytes) {
  FramePool pool(rte_pktmbuf_pool_create(name.c_str(), frames, frames >= 2048 ? kPoolCache : 0, 0,
                                         data_bytes, SOCKET_ID_ANY));
  if (!pool) {
    return fail(ErrorKind::kIo, "no memory for {} frames ({}): {}", frames, name,
                rte_strerror(rte_errno));
  }
  return pool;
}

}  // namespace viridian::vswitch
