// DPDK's environment in this process: started once, before the first frame is made.
//
// By default without reserved hugepages, PCI devices and files: nothing of the host is touched, and
// frame pools lie in transparent large pages (large_pages.h) beside DPDK's own memory. Threads that
// move frames register themselves, so that the pools keep a cache for each.
#pragma once

#include <rte_mempool.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "vswitch/frame.h"

namespace viridian::vswitch {

// Of what DPDK names after a program: the folder of its telemetry socket.
inline constexpr const char* kFilePrefix = "viridian";

struct DpdkOptions {
  uint32_t memory_mib = 64;  // for DPDK's own tables and devices; and a pool is no larger
  bool hugepages = false;    // take them: fails if there are none
  bool telemetry = false;    // DPDK's telemetry socket, where there can be one
  std::vector<std::string> devices = {};  // --vdev strings: net_af_xdp0,iface=eth1 and the like
  std::vector<std::string> pci = {};      // addresses of the PCI devices to take; others stay alone
  std::vector<std::string> more = {};     // further arguments for rte_eal_init()
};

// Main thread, once; its CPU affinity stays as it was. A second call succeeds and changes nothing.
Result<void> start_dpdk(const DpdkOptions& options = {});

// In the scope of one thread that moves frames.
class DpdkThread {
 public:
  DpdkThread();
  ~DpdkThread();
  DpdkThread(const DpdkThread&) = delete;
  DpdkThread& operator=(const DpdkThread&) = delete;

 private:
  bool registered_;
};

struct PoolDeleter {
  void operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }
};
using FramePool = std::unique_ptr<rte_mempool, PoolDeleter>;

// `frames` mbufs with room for `data_bytes` in one segment. Not thread-safe with itself.
Result<FramePool> make_frame_pool(const std::string& name, uint32_t frames,
                                  uint16_t data_bytes = kFrameRoomBytes);

}  // namespace viridian::vswitch
