// A message of a vhost-user front end as rte_vhost shows it to callbacks, before it acts on it
// (QEMU: docs/interop/vhost-user.rst, "Message Specification"; DPDK 22.11: lib/vhost/vhost_user.h,
// struct vhu_msg_context, which stays as it is for the sake of callbacks such as ours).
//
// rte_vhost's thread only.
#pragma once

#include "base/endian.h"

namespace viridian::vswitch {

struct VhostMessage {
  static constexpr uint32_t kSetMemTable = 5, kSetRingSize = 8, kIotlb = 22, kPostcopyAdvise = 28,
                            kPostcopyEnd = 30, kGetInflight = 31, kSetInflight = 32,
                            kSetStatus = 39;

  le32 request;
  le32 flags;
  le32 payload_bytes;
  le32 first;  // of the payload: a ring's index, or a count of regions
  le32 second;
};
static_assert(WireStruct<VhostMessage> && sizeof(VhostMessage) == 20);

// Of kSetMemTable: there is a file for each region, and all regions of the files can be mapped as
// rte_vhost will do it.
bool memory_can_be_mapped(const void* message);

// Closes the files that came with it: what is done with those of a message that rte_vhost never
// gets to see.
void close_files(const void* message);

}  // namespace viridian::vswitch
