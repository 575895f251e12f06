// How much of everything a switch holds and does at most. Settings beyond these are refused.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::vswitch {

constexpr uint16_t kMaxPorts = 256;  // of one switch
constexpr uint16_t kNoPort = 0xFFFF;
constexpr uint16_t kVlanCount = 4096;
constexpr uint16_t kMaxVlan = 4094;  // 4095 is reserved: IEEE 802.1Q, table 9-2

constexpr uint32_t kMaxMacs = 1U << 20;      // of one switch
constexpr uint32_t kDefaultMacs = 16384;     // of one switch, unless it is told otherwise
constexpr uint32_t kDefaultPortMacs = 8192;  // of one port
constexpr uint32_t kDefaultMacAgeS = 300;    // IEEE 802.1Q, table 8-6
constexpr uint8_t kMaxMoves = 8;             // of one address in a short time; then one a second
// Of the address table, while a sweep goes on. A bucket that nobody used lately is a cache miss or
// two: a turn that had frames has more to do.
constexpr uint32_t kAgedBucketsPerTurn = 8;
constexpr uint32_t kAgedBucketsPerIdleTurn = 64;

constexpr uint32_t kDefaultStormLimit = 10000;  // frames a second, broadcast and unknown

constexpr unsigned kMaxCaptures = 8;  // at a time, of one switch
constexpr size_t kCaptureRingBytes = 4U << 20;

constexpr uint16_t kMaxStaticMacs = 256;  // of one port
constexpr uint16_t kMaxAclRules = 1024;   // of one port

constexpr uint16_t kMaxOwnedFrames = 256;  // that a switch holds before it transmits all its lists

constexpr unsigned kMaxWorkers = 16;    // of one switch
constexpr unsigned kLinkFrames = 1024;  // on their way between two workers, and home; a power of 2
constexpr unsigned kLinkMacs = 1024;    // likewise addresses
constexpr unsigned kLinkBurstsPerTurn = 4;  // that a worker takes from another

constexpr uint64_t kEthdevPollNs = 200'000;  // between two looks at an idle device of DPDK
constexpr uint64_t kIdleSpinNs = 30'000;     // without a frame, before a worker goes to sleep

}  // namespace viridian::vswitch
