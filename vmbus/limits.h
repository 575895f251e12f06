// Every bound that VMBus puts on what a guest can make it hold. A full table is answered with a
// failure; a full queue pushes back.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::vmbus {

// Relids run from 1 to this: the SynIC has 2048 event flags for each interrupt source, and the
// guest scans them up to the highest that was used.
constexpr uint32_t kMaxChannels = 1024;
constexpr uint16_t kMaxSubChannels = 64;  // of one device

// Guest messages that wait for the reactor. A buffer of 16 MiB takes 147 of them.
constexpr size_t kInboundMessages = 512;
// Guest messages are not taken while more than this many answers wait for the guest.
constexpr size_t kOutboundMessages = 64;

constexpr size_t kMaxGpadls = 4096;
constexpr size_t kMaxIncompleteGpadls = 64;
constexpr size_t kMaxGpadlPages = 327'680;  // 1280 MiB in all GPADLs together, as Hyper-V has it

// A ring's data area, in bytes, without its control page.
constexpr uint32_t kMinRingBytes = 4096;
constexpr uint32_t kMaxRingBytes = 32u << 20;

// A packet in a ring, with its header. The guest's largest carries a pipe message of 16 KiB.
constexpr uint32_t kMaxPacketBytes = 20 * 1024;
// Packets that a channel hands out before the reactor gets to do something else: a guest that fills
// its ring as fast as it is emptied must not stop the others.
constexpr uint32_t kPacketsPerTurn = 256;
// Pieces of guest memory that one packet can describe.
constexpr size_t kMaxPacketRanges = 2048;

}  // namespace viridian::vmbus
