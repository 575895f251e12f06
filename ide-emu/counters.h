// What one IDE channel did, for --stats and for counting what a path costs. Plain numbers: a copy
// is taken with the controller's gate held.
#pragma once

#include <cstdint>

namespace viridian::ide {

struct ChannelCounters {
  // Commands that were accepted, by what they do; `aborted` are those answered with an error.
  uint64_t pio_reads = 0, pio_writes = 0;
  uint64_t dma_reads = 0, dma_writes = 0;
  uint64_t flushes = 0;
  uint64_t packets = 0;  // ATAPI
  uint64_t other_commands = 0;
  uint64_t aborted = 0;

  uint64_t register_reads = 0, register_writes = 0;  // task file, control block, bus master
  uint64_t data_port_accesses = 0;                   // one for each IN, OUT, or whole REP INS/OUTS
  uint64_t pio_blocks = 0;                           // DRQ blocks through the data port
  uint64_t bytes_read = 0, bytes_written = 0;        // by the guest, PIO and DMA
  uint64_t disk_requests = 0;
  uint64_t interrupts = 0;  // rising edges of the line
  uint64_t resets = 0;

  // Guest errors: PRD tables that are no memory, too long, or name what is no memory.
  uint64_t bad_prd_tables = 0;
};

}  // namespace viridian::ide
