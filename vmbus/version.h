// The versions of the channel protocol, as the guest asks for them in INITIATE_CONTACT: Linux
// include/linux/hyperv.h (VERSION_WIN8 and its followers).
#pragma once

#include <array>
#include <cstdint>

namespace viridian::vmbus {

constexpr uint32_t make_version(uint16_t major, uint16_t minor) {
  return static_cast<uint32_t>(major) << 16 | minor;
}
constexpr uint32_t kVersion2_4 = make_version(2, 4);  // Windows 8
constexpr uint32_t kVersion3_0 = make_version(3, 0);  // Windows 8.1
constexpr uint32_t kVersion4_0 = make_version(4, 0);  // Windows 10
constexpr uint32_t kVersion4_1 = make_version(4, 1);
constexpr uint32_t kVersion5_0 = make_version(5, 0);
constexpr uint32_t kVersion5_1 = make_version(5, 1);
constexpr uint32_t kVersion5_2 = make_version(5, 2);  // Windows Server 2019
constexpr uint32_t kVersion5_3 = make_version(5, 3);  // Windows Server 2022
// All that the server speaks, oldest first.
inline constexpr std::array kVersions = {kVersion2_4, kVersion3_0, kVersion4_0, kVersion4_1,
                                         kVersion5_0, kVersion5_1, kVersion5_2, kVersion5_3};

}  // namespace viridian::vmbus
