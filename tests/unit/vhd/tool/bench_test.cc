// The command bench leaves the image as it is, and nothing beside it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/temp_folder.h"
#include "vhd/create.h"
#include "vhd/tool/commands.h"

namespace viridian::vhd::tool {
namespace {

class Bench : public testing::Test {
 protected:
  Bench() {
    command_.image = folder_.file("disk.vhd");
    command_.count = 20;
    command_.json = true;
    CreateOptions options;
    options.size_bytes = 8 << 20;
    EXPECT_TRUE(create_fixed(command_.image, options));
  }
  std::string bytes() const {
    std::ifstream file(command_.image, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t files() const {
    const std::filesystem::directory_iterator folder(folder_.path());
    return static_cast<size_t>(std::distance(begin(folder), end(folder)));
  }
  nlohmann::json run() {
    testing::internal::CaptureStdout();
    const auto result = run_bench(command_);
    const std::string text = testing::internal::GetCapturedStdout();
    EXPECT_TRUE(result) << result.error().message;
    return nlohmann::json::parse(text, nullptr, false);
  }
  std::string refusal() {
    const auto result = run_bench(command_);
    return result ? "" : result.error().message;
  }

  TempFolder folder_;
  BenchCommand command_;
};

TEST_F(Bench, ReadsAreComparedAndTheImageStaysAsItIs) {
  const std::string before = bytes();
  const auto seen = run();
  EXPECT_EQ(seen["write"], false);
  EXPECT_EQ(seen["ratios"].size(), 5u);
  EXPECT_GT(seen["raw_requests_per_second"], 0);
  EXPECT_EQ(bytes(), before);
}

TEST_F(Bench, WritesGoToAScratchDiskThatIsRemoved) {
  const std::string before = bytes();
  command_.write = true;
  EXPECT_EQ(run()["write"], true);
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(files(), 1u);
}

TEST_F(Bench, WhatCannotBeMeasuredIsRefusedByItsOption) {
  command_.depth = 0;
  EXPECT_TRUE(refusal().starts_with("--depth"));
  command_.depth = 1;
  command_.bytes = 1000;
  EXPECT_TRUE(refusal().starts_with("--block"));
  command_.bytes = 16 << 20;
  EXPECT_NE(refusal().find("smaller than --block"), std::string::npos);
  command_.bytes = 4096;
  command_.write = true;
  command_.image = folder_.file("none.vhd");
  EXPECT_NE(refusal().find("none.vhd"), std::string::npos);
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace viridian::vhd::tool
