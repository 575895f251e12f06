#include "vmm-minimal/counters.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <map>
#include <new>
#include <nlohmann/json.hpp>

namespace viridian::vmm {
namespace {

constexpr size_t kPortCounters = 2 * 65536;
constexpr uint32_t kOtherMsrs = ~0u;  // a slot's msr is stored plus one, so that 0 means empty

}  // namespace

std::string_view name_of(ExitKind kind) {
  switch (kind) {
    case ExitKind::kPortIn:
      return "port_in";
    case ExitKind::kPortOut:
      return "port_out";
    case ExitKind::kMmioRead:
      return "mmio_read";
    case ExitKind::kMmioWrite:
      return "mmio_write";
    case ExitKind::kMsrRead:
      return "msr_read";
    case ExitKind::kMsrWrite:
      return "msr_write";
    case ExitKind::kHypercall:
      return "hypercall";
    case ExitKind::kInterrupted:
      return "interrupted";
    case ExitKind::kShutdown:
      return "shutdown";
    case ExitKind::kOther:
    case ExitKind::kCount:
      break;
  }
  return "other";
}

VcpuCounters::VcpuCounters() {
  void* pages = ::mmap(nullptr, kPortCounters * sizeof(Counter), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  // Zeroed pages are zeroed counters; constructing each would touch, and so take, them all.
  static_assert(std::is_trivially_destructible_v<Counter>);
  ports_.reset(static_cast<Counter*>(pages));
}

void VcpuCounters::Unmap::operator()(Counter* counters) const noexcept {
  ::munmap(counters, kPortCounters * sizeof(Counter));
}

void VcpuCounters::msr(uint32_t msr, bool is_write) noexcept {
  const uint32_t key = msr == kOtherMsrs ? msr : msr + 1;
  for (size_t probe = 0; probe < kMsrSlots; ++probe) {
    MsrCount& slot = msrs_[(msr + probe) % kMsrSlots];
    const uint32_t held = slot.msr.load(std::memory_order_relaxed);
    if (held == 0) slot.msr.store(key, std::memory_order_relaxed);
    const bool last = probe == kMsrSlots - 1;
    if (held == key || held == 0 || last) {
      (is_write ? slot.writes : slot.reads).add();
      if (last && held != key) slot.msr.store(kOtherMsrs, std::memory_order_relaxed);
      return;
    }
  }
}

uint64_t VcpuCounters::total_exits() const noexcept {
  uint64_t sum = 0;
  for (const Counter& counter : exits_)
    sum += counter.get();
  return sum;
}

namespace {

void append_nonzero(Stats& stats, const char* group, std::string name, uint64_t value) {
  if (value != 0) stats.push_back({group, std::move(name), value});
}

void append_ports(Stats& stats, std::span<const VcpuCounters* const> vcpus) {
  for (unsigned port = 0; port < 65536; ++port) {
    uint64_t counts[2] = {};
    for (const VcpuCounters* vcpu : vcpus) {
      counts[0] += vcpu->port_count(static_cast<uint16_t>(port), false);
      counts[1] += vcpu->port_count(static_cast<uint16_t>(port), true);
    }
    append_nonzero(stats, "ports", fmt::format("{:#06x} in", port), counts[0]);
    append_nonzero(stats, "ports", fmt::format("{:#06x} out", port), counts[1]);
  }
}

void append_msrs(Stats& stats, std::span<const VcpuCounters* const> vcpus) {
  std::map<uint32_t, std::array<uint64_t, 2>> sums;
  for (const VcpuCounters* vcpu : vcpus) {
    for (const MsrCount& slot : vcpu->msrs()) {
      const uint32_t key = slot.msr.load(std::memory_order_relaxed);
      if (key == 0) continue;
      sums[key][0] += slot.reads.get();
      sums[key][1] += slot.writes.get();
    }
  }
  for (const auto& [key, counts] : sums) {
    const std::string name = key == kOtherMsrs ? "others" : fmt::format("{:#010x}", key - 1);
    append_nonzero(stats, "msrs", name + " read", counts[0]);
    append_nonzero(stats, "msrs", name + " write", counts[1]);
  }
}

}  // namespace

void append_vcpu_stats(Stats& stats, std::span<const VcpuCounters* const> vcpus) {
  uint64_t total = 0;
  for (const VcpuCounters* vcpu : vcpus)
    total += vcpu->total_exits();
  stats.push_back({"exits", "total", total});
  for (size_t kind = 0; kind < static_cast<size_t>(ExitKind::kCount); ++kind) {
    uint64_t sum = 0;
    for (const VcpuCounters* vcpu : vcpus)
      sum += vcpu->exits(static_cast<ExitKind>(kind));
    append_nonzero(stats, "exits", std::string(name_of(static_cast<ExitKind>(kind))), sum);
  }
  append_ports(stats, vcpus);
  append_msrs(stats, vcpus);
}

std::string to_text(const Stats& stats) {
  std::string text;
  std::string_view group;
  for (const Stat& stat : stats) {
    if (stat.group != group) text += fmt::format("{}\n", stat.group);
    group = stat.group;
    text += fmt::format("  {:<32} {:>14}\n", stat.name, stat.value);
  }
  return text;
}

std::string to_json(const Stats& stats) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Stat& stat : stats)
    json[stat.group][stat.name] = stat.value;
  return json.dump(2) + "\n";
}

}  // namespace viridian::vmm
