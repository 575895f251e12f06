// What bounds the memory and the time that an image can cost before one byte of it is trusted.
#pragma once

#include <cstdint>

namespace viridian::vhd {

constexpr uint32_t kMinBlockSize = 512;
constexpr uint32_t kMaxBlockSize = 64u << 20;
constexpr uint32_t kDefaultBlockSize = 2u << 20;  // the only size that Windows takes

// Table entries in use: 64 MiB of memory, 32 TiB of disk at 2 MiB.
constexpr uint64_t kMaxBatEntries = uint64_t{1} << 24;

// What a table entry can address, and Windows' limits for a sparse disk.
constexpr uint64_t kMaxSparseSize = 0xff000000ull * 512;  // 2040 GiB
constexpr uint64_t kMaxFileOffset = 0xffffffffull * 512;  // of a block's bitmap
constexpr uint64_t kMaxFixedSize = uint64_t{1} << 62;

constexpr uint32_t kMaxLocatorBytes = 64u << 10;  // of one parent path
constexpr uint32_t kMaxChainDepth = 255;

// New blocks put their data, and so their footer's predecessor, on this boundary.
constexpr uint64_t kDataAlignment = 4096;

// What one open disk may use at a time; see chain_disk.h for what happens when it is used up.
constexpr uint32_t kOperations = 256;           // requests in progress
constexpr uint32_t kFragments = 512;            // file operations in progress
constexpr uint32_t kBitmapSlots = 8192;         // cached sectors of bitmaps: 2 MiB of disk each
constexpr uint32_t kCommitThreshold = 4096;     // changed ones before they are written unasked
constexpr uint32_t kCommitAfterMs = 5000;       // after a change, if the guest asks for no flush
constexpr uint32_t kMetadataWrites = 32;        // of a commit, in progress
constexpr uint64_t kGrowthBytes = 64ull << 20;  // by which a file grows; four times as much when
                                                // requests had to wait for it

}  // namespace viridian::vhd
