// Empty mbufs for one burst: taken from their pool together, and fetched into the cache some time
// before each is written. Data path; for one thread, and for the time of one call: what is left
// goes back at its end, so that others find it.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstddef>

namespace viridian::netvsp {

class FrameStash {
 public:
  explicit FrameStash(rte_mempool* pool) : pool_(pool) {}
  ~FrameStash() { rte_mempool_put_bulk(pool_, mbufs_.data(), count_); }
  FrameStash(const FrameStash&) = delete;
  FrameStash& operator=(const FrameStash&) = delete;

  // One with no data in it; null: the pool is empty.
  rte_mbuf* take() noexcept {
    if (count_ == 0 && !refill()) return nullptr;
    auto* mbuf = static_cast<rte_mbuf*>(mbufs_[--count_]);
    if (count_ >= kAhead) prefetch(mbufs_[count_ - kAhead]);
    rte_pktmbuf_reset(mbuf);
    return mbuf;
  }

 private:
  static constexpr unsigned kMost = 16;
  static constexpr unsigned kAhead = 4;

  bool refill() noexcept {
    if (rte_mempool_get_bulk(pool_, mbufs_.data(), kMost) == 0) {
      count_ = kMost;
      for (unsigned i = 1; i <= kAhead; ++i)
        prefetch(mbufs_[kMost - i]);
    } else if (rte_mempool_get(pool_, mbufs_.data()) == 0) {
      count_ = 1;
    }
    return count_ > 0;
  }
  static void prefetch(void* mbuf) noexcept {
    auto* at = static_cast<std::byte*>(mbuf);
    __builtin_prefetch(at, 1);
    __builtin_prefetch(at + sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM, 1);  // where its data begins
  }

  rte_mempool* pool_;
  unsigned count_ = 0;
  std::array<void*, kMost> mbufs_;
};

}  // namespace viridian::netvsp
