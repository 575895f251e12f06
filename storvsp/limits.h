// Every bound of the storage provider. What a guest asks for beyond one of them is refused or
// waits in the guest's own ring.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viridian::storvsp {

constexpr uint32_t kPageSize = 4096;

// Data of one request. A multiple of 4 KiB, advertised in QUERY_PROPERTIES and in VPD page B0h.
constexpr uint32_t kMaxTransferBytes = 1024 * 1024;
constexpr size_t kMaxTransferPages = kMaxTransferBytes / kPageSize + 1;  // when it starts mid-page

// Logical units of a controller, all on path 0, target 0: the numbers that Linux scans.
constexpr size_t kMaxLuns = 255;

// Requests of one channel that are under way at once; the next ones wait in the guest's ring.
constexpr size_t kRequestsPerChannel = 256;

// When the channel looks for packets by itself, with the guest's doorbell masked: while at least
// so many requests are under way, since their ends come often enough to look then,
constexpr uint32_t kPollingDepth = 16;
// and after a look has found so many requests, for so many empty turns of the reactor (a few
// microseconds): a guest under load then never rings.
constexpr uint32_t kBusyBatch = 4;
constexpr uint32_t kEmptyPolls = 200;

// UNMAP, VPD page B0h.
constexpr uint32_t kMaxUnmapDescriptors = 64;
constexpr uint32_t kMaxUnmapSectors = 0x400000;  // 2 GiB for each descriptor

// WRITE SAME, VPD page B0h.
constexpr uint32_t kMaxWriteSameSectors = 0x20000;  // 64 MiB

// MODE SELECT: more parameters than all pages have are refused unread.
constexpr size_t kMaxModeParameters = 64;

}  // namespace viridian::storvsp
