// What every writable BlockDevice must do, whatever is behind it. A test program instantiates the
// suite with a factory for each implementation.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/conformance/sync_disk.h"

namespace viridian::io {

// Owns a disk of kSuiteSectors sectors, all zero, and whatever it stands on.
struct DiskUnderTest {
  virtual ~DiskUnderTest() = default;
  virtual BlockDevice& disk() = 0;
};

constexpr uint64_t kSuiteSectors = 16384 + 3;  // 8 MiB and a bit: no multiple of any block

struct DiskFactory {
  std::string name;
  std::function<std::unique_ptr<DiskUnderTest>(Reactor&)> make;
  // What this machine lacks for this disk; empty: nothing.
  std::function<std::string()> missing = [] { return std::string(); };
};

class BlockDeviceSuite : public testing::TestWithParam<DiskFactory> {
 protected:
  void SetUp() override {
    const std::string missing = GetParam().missing();
    if (!missing.empty()) GTEST_SKIP() << "not here: " << missing;
    auto reactor = Reactor::create();
    ASSERT_TRUE(reactor) << reactor.error().message;
    reactor_ = std::move(*reactor);
    owner_ = GetParam().make(*reactor_);
    ASSERT_NE(owner_, nullptr);
  }
  BlockDevice& disk() { return owner_->disk(); }
  SyncDisk sync() { return {*reactor_, disk()}; }

  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<DiskUnderTest> owner_;
};

inline std::string disk_factory_name(const testing::TestParamInfo<DiskFactory>& info) {
  return info.param.name;
}

}  // namespace viridian::io
