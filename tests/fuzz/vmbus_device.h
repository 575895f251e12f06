// The device behind VMBus's fuzz targets: answers each packet, touches every byte it was given,
// asks for sub-channels, and finishes its closes late.
#pragma once

#include <vector>

#include "vmbus/channel.h"
#include "vmbus/device.h"
#include "vmbus/server.h"

namespace viridian::vmbus {

class FuzzDevice final : public Device {
 public:
  OfferDescription offer() const override {
    OfferDescription description;
    description.max_sub_channels = 2;
    return description;
  }
  Result<void> open(Channel& channel) override {
    channel.offer_sub_channels(2);
    return {};
  }
  void doorbell(Channel& channel) noexcept override {
    while (const Packet* packet = channel.peek()) {
      for (const std::byte byte : packet->payload)
        sum_ = sum_ * 31 + static_cast<uint8_t>(byte);
      for (const GpaRange& range : packet->ranges)
        sum_ += channel.memory().window(range.base, range.length) ? range.length : 0;
      if (const Gpadl* gpadl = channel.find_gpadl(static_cast<uint32_t>(packet->transaction_id))) {
        GpaRange out[4];
        sum_ += gpadl->ranges(0, gpadl->byte_count, out).value_or(0);
      }
      if (!channel.try_complete(packet->transaction_id, packet->payload)) return;
      channel.consume();
    }
  }
  void writable(Channel&) noexcept override {}
  void close(Channel& channel) noexcept override { closing_.push_back(&channel); }
  void finish_closes() {
    for (Channel* channel : std::exchange(closing_, {}))
      channel->close_complete();
  }

 private:
  std::vector<Channel*> closing_;
  uint64_t sum_ = 0;
};

}  // namespace viridian::vmbus
