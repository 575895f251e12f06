// Channel messages that wait: the guest's for the reactor, bounded; the server's for the guest.
#pragma once

#include <algorithm>
#include <array>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "vmbus/host.h"
#include "vmbus/limits.h"

namespace viridian::vmbus {

class Message {
 public:
  Message() = default;
  explicit Message(std::span<const std::byte> bytes)  // at most kMaxMessagePayload
      : length_(std::min(bytes.size(), kMaxMessagePayload)) {
    std::copy_n(bytes.begin(), length_, bytes_.begin());
  }
  std::span<const std::byte> bytes() const noexcept { return std::span(bytes_).first(length_); }

 private:
  size_t length_ = 0;
  std::array<std::byte, kMaxMessagePayload> bytes_{};
};

// Any thread pushes, the reactor's pops. Messages are rare, so a mutex does.
class InboundQueue {
 public:
  enum class Push : uint8_t { kFull, kQueued, kFirst };

  // kFirst: nobody has been told that there are messages; the caller wakes the reactor. It then
  // pops until nothing is left.
  Push push(std::span<const std::byte> bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (count_ == kInboundMessages) return Push::kFull;
    messages_[(first_ + count_) % kInboundMessages] = Message(bytes);
    ++count_;
    return std::exchange(announced_, true) ? Push::kQueued : Push::kFirst;
  }

  // False: empty, and the next push will be kFirst.
  bool pop(Message& into) noexcept {
    const std::lock_guard lock(mutex_);
    if (count_ == 0) {
      announced_ = false;
      return false;
    }
    into = messages_[first_];
    first_ = (first_ + 1) % kInboundMessages;
    --count_;
    return true;
  }

  void clear() noexcept {
    const std::lock_guard lock(mutex_);
    count_ = 0;
  }

 private:
  std::mutex mutex_;
  std::vector<Message> messages_ = std::vector<Message>(kInboundMessages);
  size_t first_ = 0;
  size_t count_ = 0;
  bool announced_ = false;
};

}  // namespace viridian::vmbus
