// The sectors that SMART READ DATA, READ THRESHOLDS and READ LOG return, of a drive that has
// nothing to report: ATA/ATAPI-7 volume 1, clauses 6.52.4 and 6.52.5 and annex A of its log pages;
// attributes and thresholds as SFF-8035i defines them, which is what smartctl reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace viridian::ide {

// Each is 512 bytes and lives as long as the program.
std::span<const std::byte> smart_data();
std::span<const std::byte> smart_thresholds();
// By log address; nothing if there is no such log.
std::optional<std::span<const std::byte>> smart_log(uint8_t address);

}  // namespace viridian::ide
