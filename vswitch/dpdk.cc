#include "vswitch/dpdk.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>

#include "vswitch/large_pages.h"

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

// DPDK does not start at all where it cannot make its socket. So its folder (which it finds as
// here, and makes) is looked at before.
bool may_serve_telemetry() {
  const char* top = std::getenv("RUNTIME_DIRECTORY");
  if (top == nullptr) top = ::getuid() == 0 ? "/var/run" : std::getenv("XDG_RUNTIME_DIR");
  const std::string outer = fmt::format("{}/dpdk", top == nullptr ? "/tmp" : top);
  const std::string folder = fmt::format("{}/{}", outer, kFilePrefix);
  constexpr size_t kFileNameBytes = 32;
  ::mkdir(outer.c_str(), S_IRWXU);
  ::mkdir(folder.c_str(), S_IRWXU);
  return folder.size() + kFileNameBytes < sizeof(sockaddr_un::sun_path) &&
         ::access(folder.c_str(), W_OK | X_OK) == 0;
}

std::vector<std::string> arguments_of(const DpdkOptions& options, unsigned processor) {
  std::vector<std::string> result = {"viridian", "--log-level=*:error",
                                     "--log-level=lib.vhost*:critical",
                                     fmt::format("--lcores=0@{}", processor)};
  result.push_back(options.telemetry && may_serve_telemetry()
                       ? fmt::format("--file-prefix={}", kFilePrefix)
                       : "--no-telemetry");
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

uint64_t memory_bytes = 0;  // 0: DPDK is not started

void free_chunk(rte_mempool_memhdr* chunk, void* /*opaque*/) {
  const LargePages memory(chunk->addr, {.bytes = chunk->len});
}

// As rte_pktmbuf_pool_create() does it, but for where the frames lie.
rte_mempool* make_pool_beside(const std::string& name, uint32_t frames, unsigned cache,
                              uint16_t data_bytes) {
  const auto element = static_cast<unsigned>(sizeof(rte_mbuf)) + data_bytes;
  // DPDK would give each frame a small page of its own, which puts all headers into the same few
  // sets of the processor's cache. One mapping needs no such care.
  rte_mempool* pool = rte_mempool_create_empty(name.c_str(), frames, element, cache,
                                               sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY,
                                               RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) return nullptr;
  const auto refuse = [pool](int error) -> rte_mempool* {
    rte_mempool_free(pool);
    rte_errno = error;
    return nullptr;
  };
  size_t chunk_bytes = 0;
  size_t alignment = 0;
  const ssize_t bytes =
      rte_mempool_op_calc_mem_size_default(pool, frames, 0, &chunk_bytes, &alignment);
  if (bytes < 0 || static_cast<uint64_t>(bytes) > memory_bytes) return refuse(ENOMEM);
  rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), nullptr);
  rte_pktmbuf_pool_private sizes = {};
  sizes.mbuf_data_room_size = data_bytes;
  rte_pktmbuf_pool_init(pool, &sizes);
  LargePages memory = allocate_large_pages(static_cast<size_t>(bytes));
  if (!memory) return refuse(ENOMEM);
  auto* const start = static_cast<char*>(memory.get());
  // Without hugepages a device sees what the process sees.
  const int placed = rte_mempool_populate_iova(pool, start, std::bit_cast<rte_iova_t>(start),
                                               memory.get_deleter().bytes, free_chunk, nullptr);
  if (placed < 0) return refuse(-placed);
  static_cast<void>(memory.release());  // the pool's
  if (static_cast<uint32_t>(placed) < frames) return refuse(ENOMEM);
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

}  // namespace

Result<void> start_dpdk(const DpdkOptions& options) {
  if (memory_bytes != 0) return {};
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
  memory_bytes = uint64_t{options.memory_mib} << 20;
  return {};
}

DpdkThread::DpdkThread() : registered_(rte_lcore_id() == LCORE_ID_ANY) {
  if (registered_) registered_ = rte_thread_register() == 0;
}

DpdkThread::~DpdkThread() {
  if (registered_) rte_thread_unregister();
}

Result<FramePool> make_frame_pool(const std::string& name, uint32_t frames, uint16_t data_bytes) {
  const unsigned cache = frames >= 2048 ? kPoolCache : 0;
  FramePool pool(
      rte_eal_has_hugepages() != 0
          ? rte_pktmbuf_pool_create(name.c_str(), frames, cache, 0, data_bytes, SOCKET_ID_ANY)
          : make_pool_beside(name, frames, cache, data_bytes));
  if (!pool) {
    return fail(ErrorKind::kIo, "no memory for {} frames ({}): {}", frames, name,
                rte_strerror(rte_errno));
  }
  return pool;
}

}  // namespace viridian::vswitch
