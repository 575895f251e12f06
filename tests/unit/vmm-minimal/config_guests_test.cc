#include <gtest/gtest.h>

#include "vmm-minimal/config.h"

namespace viridian::vmm {
namespace {

Result<Setup> setup_of(std::string_view text) {
  Setup setup;
  VIRIDIAN_TRY(apply_json(setup, "vm.json", text));
  VIRIDIAN_TRY(make_guests(setup));
  return setup;
}
std::string error_of(std::string_view text) {
  const auto setup = setup_of(text);
  return setup ? "" : setup.error().message;
}

TEST(GuestsConfig, FileWithoutGuestsIsOneGuest) {
  const auto setup =
      setup_of(R"({"kernel": "vmlinuz", "nics": [{"nic": "nic1", "kind": "netvsp"}]})");
  ASSERT_TRUE(setup) << setup.error().message;
  ASSERT_EQ(setup->guests.size(), 1u);
  EXPECT_EQ(setup->guests[0].kernel, "vmlinuz");
  EXPECT_EQ(setup->guests[0].name, "");
  EXPECT_EQ(setup->guests[0].nics[0].mac.to_string(), "00:15:5d:00:00:02");
}

TEST(GuestsConfig, GuestsTakeWhatTheyDoNotSayFromTheFile) {
  const auto setup = setup_of(R"({
      "kernel": "vmlinuz", "cpus": 2,
      "switches": [{"name": "lan", "kind": "internal", "tap": "vlan0"}],
      "guests": [{"name": "left", "serial-log": "left.log",
                  "nics": [{"nic": "nic0", "kind": "netvsp", "switch": "lan"}]},
                 {"cpus": 1, "nics": [{"nic": "nic0", "kind": "tulip", "switch": "lan"}]}]})");
  ASSERT_TRUE(setup) << setup.error().message;
  ASSERT_EQ(setup->guests.size(), 2u);
  EXPECT_EQ(setup->guests[0].name, "left");
  EXPECT_EQ(setup->guests[0].serial_log, "left.log");
  EXPECT_EQ(setup->guests[0].cpus, 2u);
  EXPECT_EQ(setup->guests[1].name, "guest1");
  EXPECT_EQ(setup->guests[1].cpus, 1u);
  EXPECT_EQ(setup->guests[1].kernel, "vmlinuz");
  EXPECT_EQ(setup->guests[1].nics[0].mac.to_string(), "00:15:5d:00:01:01");
  ASSERT_EQ(setup->switches.size(), 1u);
  EXPECT_EQ(setup->switches[0].tap, "vlan0");
}

TEST(GuestsConfig, ControlSocketBelongsToTheFile) {
  const auto setup = setup_of(R"({"control": "vm.sock", "guests": [{"kernel": "k"}]})");
  ASSERT_TRUE(setup) << setup.error().message;
  EXPECT_EQ(setup->control_socket, "vm.sock");
  EXPECT_EQ(error_of(R"({"kernel": "k", "control": 3})"),
            "vm.json: control: must be the path of a socket");
  EXPECT_NE(error_of(R"({"guests": [{"kernel": "k", "control": "vm.sock"}]})"), "");
}

TEST(GuestsConfig, ErrorsNameFileGuestAndField) {
  EXPECT_TRUE(error_of(R"({"guests": [{"kernel": "k"}, {"kernel": "k", "cpus": 99}]})")
                  .starts_with("vm.json: guests: [1]: cpus: '99'"));
  EXPECT_TRUE(error_of(R"({"guests": [{}]})").starts_with("vm.json: guests: [0]: kernel: "));
  EXPECT_TRUE(error_of(R"({"kernel": "k", "guests": [1]})")
                  .starts_with("vm.json: guests: [0]: must be an object"));
  EXPECT_TRUE(error_of(R"({"kernel": "k", "guests": [{"guests": []}]})")
                  .starts_with("vm.json: guests: [0]: guests: "));
}

TEST(GuestsConfig, GuestsMayNotShareWhatIsOneGuests) {
  const std::string head = R"({"kernel": "k", "guests": [)";
  EXPECT_EQ(error_of(head + R"({"name": "a"}, {"name": "a"}]})"),
            "vm.json: guests: [1]: name: 'a' is used twice");
  EXPECT_EQ(error_of(head + R"({"serial-log": "f"}, {"serial-log": "f"}]})"),
            "vm.json: guests: [1]: serial-log: 'f' is the file of guest guest0 too");
  EXPECT_EQ(error_of(head + R"({"stats-json": "f"}, {"stats-json": "f"}]})"),
            "vm.json: guests: [1]: stats-json: 'f' is the file of guest guest0 too");
  const std::string nic = R"({"nics": [{"nic": "nic0", "kind": "tulip",
                               "mac": "00:15:5d:01:02:03"}]})";
  EXPECT_EQ(error_of(head + nic + "," + nic + "]}"),
            "vm.json: guests: [1]: nic0: mac: 00:15:5d:01:02:03 is a NIC's of guest guest0 too");
}

TEST(GuestsConfig, SwitchesThatMakeNoSenseAreRefused) {
  const auto error_of_switches = [](const std::string& list) {
    return error_of(R"({"kernel": "k", "switches": [)" + list + "]}");
  };
  EXPECT_EQ(error_of_switches(R"({"name": "a", "kind": "private"})"), "");
  EXPECT_EQ(error_of_switches(R"({"name": "a", "kind": "external"})"),
            "switch a: tap: is missing; name the interface of the host");
  EXPECT_EQ(error_of_switches(R"({"name": "a", "kind": "private", "tap": "t"})"),
            "switch a: tap: a private switch has no port towards the host");
  EXPECT_EQ(error_of_switches(R"({"name": "a"}, {"name": "a"})"), "switch a: given twice");
  EXPECT_EQ(error_of_switches(R"({"name": "a", "kind": "internal", "tap": "t"},
                                 {"name": "b", "kind": "internal", "tap": "t"})"),
            "switch b: tap: 't' is switch a's too");
  EXPECT_EQ(error_of_switches(R"({"name": "a", "kind": "private", "vhost": "/s"})"), "");
  EXPECT_EQ(error_of_switches(R"({"name": "a", "kind": "private", "vhost": "/s"},
                                 {"name": "b", "kind": "private", "vhost": "/s"})"),
            "switch b: vhost: '/s' is switch a's too");
  EXPECT_TRUE(error_of_switches(R"({"kind": "private"})")
                  .starts_with("vm.json: switches: [0]: name is missing"));
}

}  // namespace
}  // namespace viridian::vmm
