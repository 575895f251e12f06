// What the platform's tests put in place of a machine: guest memory, a backend that records what
// the SynIC asks of the hypervisor, and a power switch that remembers.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include "base/guest_memory.h"
#include "vmm-minimal/exit_handlers.h"
#include "vmm-minimal/synic.h"

namespace viridian::vmm {

// Memory from guest physical address 0, page-aligned as a guest's is.
class TestMemory {
 public:
  explicit TestMemory(size_t size) : size_(size) {
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) std::abort();
    bytes_ = static_cast<std::byte*>(at);
    if (!memory_.add_region(Gpa{0}, {bytes_, size})) std::abort();
  }
  ~TestMemory() { ::munmap(bytes_, size_); }
  TestMemory(const TestMemory&) = delete;
  TestMemory& operator=(const TestMemory&) = delete;

  const GuestMemory& memory() const { return memory_; }
  std::byte* at(uint64_t gpa) { return bytes_ + gpa; }
  std::span<std::byte> bytes() { return {bytes_, size_}; }

 private:
  size_t size_;
  std::byte* bytes_ = nullptr;
  GuestMemory memory_;
};

class InterruptRecorder final : public SynicBackend {
 public:
  static constexpr uint32_t kVps = 4;

  void route(uint32_t vp, std::optional<uint8_t> vector) noexcept override {
    vectors_.at(vp) = vector;
    ++routes_;
  }
  void interrupt(uint32_t vp) noexcept override { interrupts_.at(vp).fetch_add(1); }
  Result<void> add_doorbell(uint32_t connection_id, int event_fd) override {
    doorbells_[connection_id] = event_fd;
    return {};
  }
  void remove_doorbell(uint32_t connection_id, int) noexcept override {
    doorbells_.erase(connection_id);
  }

  uint64_t interrupts(uint32_t vp = 0) const { return interrupts_.at(vp).load(); }
  std::optional<uint8_t> vector(uint32_t vp = 0) const { return vectors_.at(vp); }
  unsigned routes() const { return routes_; }
  const std::map<uint32_t, int>& doorbells() const { return doorbells_; }

 private:
  std::array<std::optional<uint8_t>, kVps> vectors_;
  std::array<std::atomic<uint64_t>, kVps> interrupts_{};
  unsigned routes_ = 0;
  std::map<uint32_t, int> doorbells_;
};

class FakePower final : public PowerControl {
 public:
  void stop(StopReason reason) noexcept override {
    reason_ = reason;
    ++stops_;
  }
  StopReason reason() const { return reason_; }
  unsigned stops() const { return stops_; }

 private:
  StopReason reason_ = StopReason::kNone;
  unsigned stops_ = 0;
};

}  // namespace viridian::vmm
