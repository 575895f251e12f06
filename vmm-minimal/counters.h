// What the guest cost: exits by reason, by port and by MSR. Each vCPU counts for itself with plain
// stores (one writer, any thread may read); the report adds them up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/counter.h"

namespace viridian::vmm {

enum class ExitKind : uint8_t {
  kPortIn,
  kPortOut,
  kMmioRead,
  kMmioWrite,
  kMsrRead,
  kMsrWrite,
  kHypercall,
  kInterrupted,  // KVM_RUN returned for a signal or immediate_exit
  kShutdown,
  kOther,
  kCount,
};
std::string_view name_of(ExitKind kind);

struct MsrCount {
  std::atomic<uint32_t> msr{0};
  Counter reads, writes;
};

// The counters of one vCPU; only its thread counts.
class VcpuCounters {
 public:
  static constexpr size_t kMsrSlots = 128;  // MSRs told apart; more are counted under ~0

  VcpuCounters();

  void exit(ExitKind kind) noexcept { exits_[static_cast<size_t>(kind)].add(); }
  void port(uint16_t port, bool is_write) noexcept { ports_[port * 2u + is_write].add(); }
  void msr(uint32_t msr, bool is_write) noexcept;

  uint64_t exits(ExitKind kind) const noexcept { return exits_[static_cast<size_t>(kind)].get(); }
  uint64_t total_exits() const noexcept;
  uint64_t port_count(uint16_t port, bool is_write) const noexcept {
    return ports_[port * 2u + is_write].get();
  }
  std::span<const MsrCount> msrs() const noexcept { return msrs_; }

 private:
  std::array<Counter, static_cast<size_t>(ExitKind::kCount)> exits_;
  // Two for each of the 65536 ports; pages that are never touched take no memory.
  struct Unmap {
    void operator()(Counter* counters) const noexcept;
  };
  std::unique_ptr<Counter[], Unmap> ports_;
  std::array<MsrCount, kMsrSlots> msrs_;
};

// One line of the report: "vmbus" "doorbells" 17. Every part of the machine adds its own.
struct Stat {
  std::string group, name;
  uint64_t value;
};
using Stats = std::vector<Stat>;

// Exits, ports and MSRs of all vCPUs together; zeroes are left out.
void append_vcpu_stats(Stats& stats, std::span<const VcpuCounters* const> vcpus);

std::string to_text(const Stats& stats);  // a table for a person
std::string to_json(const Stats& stats);  // {"group": {"name": value}}

}  // namespace viridian::vmm
