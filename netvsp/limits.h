// Every bound of the network provider. What a guest asks for beyond one of them is refused, waits
// in the guest's own ring, or is dropped and counted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::netvsp {

// Channels of one adapter: the primary one and its sub-channels.
constexpr uint16_t kMaxChannels = 16;

// Packets of one channel whose frames are on their way; the next ones wait in the guest's ring.
constexpr size_t kSendsPerChannel = 256;
// Frames that a guest may put into one packet: told in INITIALIZE, and held. As many small ones as
// a section takes share the cost of a packet.
constexpr uint32_t kMaxFramesPerSend = 32;
// Pieces of guest memory that one packet of the guest may lie in: a frame of 64 KiB, page by page,
// the header, and the section of the send buffer.
constexpr size_t kMaxSendPieces = 40;
// A frame up to the first length is copied whole; of a longer one the headers that its judges look
// at.
constexpr uint32_t kSmallFrameBytes = 256;
constexpr uint32_t kHeaderBytes = 128;
// Per-packet information that is looked at. Linux sends 64 bytes.
constexpr uint32_t kMaxInfoBytes = 256;

// The guest's buffers, in bytes.
constexpr uint32_t kMinBufferBytes = 16 * 4096;
constexpr uint32_t kMaxBufferBytes = 32u << 20;
constexpr uint32_t kSendSectionBytes = 6144;
// Room of a receive section beside the frame: RNDIS header and per-packet information.
constexpr uint32_t kReceiveHeaderBytes = 128;
constexpr uint32_t kMaxReceiveSections = 16384;
// Sections that only answers to control requests may take.
constexpr uint32_t kControlSections = 16;

// Frames of one packet to the guest; Linux takes at most 562.
constexpr size_t kMaxFramesPerPacket = 64;
// Packets to the guest that it has not given back, on one channel.
constexpr size_t kPacketsOutPerChannel = 4096;

// A control message of the guest, and an answer.
constexpr uint32_t kMaxControlBytes = 1024;
// Answers that wait for a section or for room in the ring; then the guest's requests wait.
constexpr size_t kPendingAnswers = 8;

constexpr size_t kHashTableEntries = 128;
constexpr size_t kHashKeyBytes = 40;

}  // namespace viridian::netvsp
