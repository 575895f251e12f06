#include "vmm-minimal/config.h"

#include <gtest/gtest.h>

namespace viridian::vmm {
namespace {

std::string error_of_json(std::string_view text) {
  Config config;
  const auto applied = apply_json(config, "vm.json", text);
  return applied ? "" : applied.error().message;
}

TEST(Config, SizesAreBytesOrPowersOf1024) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("512M"), 512u << 20);
  EXPECT_EQ(*parse_size("2G"), uint64_t{2} << 30);
  for (const char* bad : {"", "M", "5Q", "-1", "1.5G", "99999999999999T", " 1"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(Config, AddressesNameBusControllerAndUnit) {
  const auto scsi = parse_address("scsi3:254");
  ASSERT_TRUE(scsi);
  EXPECT_EQ(*scsi, (DiskAddress{DiskBus::kScsi, 3, 254}));
  EXPECT_EQ(to_string(*scsi), "scsi3:254");
  EXPECT_EQ(*parse_address("ide1:0"), (DiskAddress{DiskBus::kIde, 1, 0}));
  for (const char* bad : {"", "ide", "ide0", "ide2:0", "ide0:2", "scsi4:0", "scsi0:255", "sata0:0",
                          "ide0:", "ide:0", "ide0:0x", "ide-1:0"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
}

TEST(Config, DiskArgumentSetsEveryOption) {
  const auto disk = parse_disk("ide1:1=a=b.vhd,cache=writeback,ro,format=raw,serial=AB12");
  ASSERT_TRUE(disk) << disk.error().message;
  EXPECT_EQ(disk->file, "a=b.vhd");
  EXPECT_EQ(disk->cache, DiskCache::kWriteback);
  EXPECT_TRUE(disk->read_only);
  EXPECT_EQ(disk->format, DiskFormat::kRaw);
  EXPECT_EQ(disk->serial, "AB12");
  EXPECT_FALSE(disk->cdrom);
}

TEST(Config, CdromDriveMayBeEmpty) {
  const auto disk = parse_disk("ide1:0=,cdrom");
  ASSERT_TRUE(disk) << disk.error().message;
  EXPECT_TRUE(disk->cdrom);
  Config config;
  config.kernel = "vmlinuz";
  config.disks = {*disk};
  EXPECT_TRUE(validate(config));
}

TEST(Config, BadDiskOptionIsNamedWithItsDisk) {
  const auto disk = parse_disk("ide0:0=x.vhd,cache=fast");
  ASSERT_FALSE(disk);
  EXPECT_TRUE(disk.error().message.starts_with("ide0:0: cache: 'fast'")) << disk.error().message;
  EXPECT_FALSE(parse_disk("ide0:0=x.vhd,colour=red"));
  EXPECT_FALSE(parse_disk("ide0:0=x.vhd,serial=much-too-long-a-serial-number"));
}

TEST(Config, JsonAndCommandLineSetTheSameFields) {
  Config from_json;
  ASSERT_TRUE(apply_json(from_json, "vm.json", R"({
    "memory": "1G", "cpus": 2, "kernel": "k", "append": "a", "vmbus-ide": false,
    "on-reset": "reboot",
    "disks": [{"address": "scsi0:1", "file": "with,comma.vhd", "readonly": true}]})"));
  Config by_hand;
  for (const auto& [field, value] :
       {std::pair("memory", "1G"), std::pair("cpus", "2"), std::pair("kernel", "k"),
        std::pair("append", "a"), std::pair("vmbus-ide", "false"),
        std::pair("on-reset", "reboot")}) {
    ASSERT_TRUE(set_field(by_hand, field, value)) << field;
  }
  EXPECT_EQ(from_json.memory_bytes, by_hand.memory_bytes);
  EXPECT_EQ(from_json.cpus, by_hand.cpus);
  EXPECT_EQ(from_json.kernel, by_hand.kernel);
  EXPECT_EQ(from_json.append, by_hand.append);
  EXPECT_EQ(from_json.vmbus_ide, by_hand.vmbus_ide);
  EXPECT_EQ(from_json.on_reset, by_hand.on_reset);
  ASSERT_EQ(from_json.disks.size(), 1u);
  EXPECT_EQ(from_json.disks[0].file, "with,comma.vhd");
  EXPECT_TRUE(from_json.disks[0].read_only);
}

TEST(Config, JsonErrorsNameFileAndField) {
  EXPECT_EQ(error_of_json(R"({"memory": "64M"})"), "");
  EXPECT_TRUE(error_of_json("{").starts_with("vm.json: "));
  EXPECT_TRUE(error_of_json("[]").starts_with("vm.json: "));
  EXPECT_TRUE(error_of_json(R"({"memory": -1})").starts_with("vm.json: memory: "));
  EXPECT_TRUE(error_of_json(R"({"cpus": 5})").starts_with("vm.json: cpus: "));
  EXPECT_TRUE(error_of_json(R"({"colour": "red"})").starts_with("vm.json: colour: "));
  EXPECT_TRUE(error_of_json(R"({"disks": {}})").starts_with("vm.json: disks: "));
  EXPECT_TRUE(error_of_json(R"({"disks": [{"file": "x"}]})").starts_with("vm.json: disks: [0]: "));
  EXPECT_TRUE(error_of_json(R"({"disks": [{"address": "ide0:0", "cache": 1}]})")
                  .starts_with("vm.json: disks: [0]: cache: "));
}

struct Refusal {
  const char* disks[2];
  const char* says;
};

class ConfigRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(ConfigRefuses, DisksThatCannotBeTogether) {
  Config config;
  config.kernel = "vmlinuz";
  config.hyperv = false;
  for (const char* text : GetParam().disks) {
    if (text != nullptr) config.disks.push_back(*parse_disk(text));
  }
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_NE(valid.error().message.find(GetParam().says), std::string::npos)
      << valid.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigRefuses,
    testing::Values(Refusal{{"ide0:0=a", "ide0:0=b"}, "disk ide0:0: used twice, by 'a' and 'b'"},
                    Refusal{{"ide0:0=a", "ide0:1=a"}, "disk ide0:1: 'a' is disk ide0:0 too"},
                    Refusal{{"ide0:0=a,ro", "ide0:1=a"}, "disk ide0:1: 'a' is disk ide0:0 too"},
                    Refusal{{"ide0:0", nullptr}, "disk ide0:0: file is missing"},
                    Refusal{{"scsi0:0=a", nullptr}, "--no-hyperv"}));

TEST(Config, OneImageMayBeTwoReadOnlyDisks) {
  Config config;
  config.kernel = "vmlinuz";
  config.disks = {*parse_disk("ide0:0=a,ro"), *parse_disk("scsi0:0=a,ro")};
  EXPECT_TRUE(validate(config));
}

TEST(Config, ExactlyOneThingToBoot) {
  Config config;
  EXPECT_FALSE(validate(config));
  config.kernel = "vmlinuz";
  EXPECT_TRUE(validate(config));
  config.payload = "payload";
  EXPECT_FALSE(validate(config));
}

}  // namespace
}  // namespace viridian::vmm
