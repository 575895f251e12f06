// From a guest's HvPostMessage through VMBus's server to the guest's message slot and back, on a
// real reactor: the first messages of every connection.
#include "vmm-minimal/vmbus_link.h"

#include <gtest/gtest.h>

#include "tests/unit/vmm-minimal/fakes.h"
#include "vmbus/protocol.h"

namespace viridian::vmm {
namespace {

constexpr uint64_t kInput = 0x2000, kSimp = 0x4000, kSiefp = 0x5000;
constexpr uint64_t kSlot = kSimp + 2 * hv::kSlotBytes;

class VmbusLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    auto created = io::Reactor::create();
    ASSERT_TRUE(created);
    reactor = std::move(*created);
    server.emplace(*reactor, memory.memory(), synic);
    link.emplace(*reactor, hyperv, synic, *server);
    hyperv.msr_write(0, hv::kMsrSimp, kSimp | hv::kEnable);
    hyperv.msr_write(0, hv::kMsrSiefp, kSiefp | hv::kEnable);
    hyperv.msr_write(0, hv::kMsrSint0 + 2, 0xF3);
    hyperv.msr_write(0, hv::kMsrScontrol, hv::kEnable);
  }
  void TearDown() override {
    struct Done : io::Completion {
      bool ran = false;
    } done;
    done.run = [](io::Completion& completion) noexcept {
      static_cast<Done&>(completion).ran = true;
    };
    server->reset(done);
    reactor->run_until([&] { return done.ran; });
  }

  template <WireStruct T>
  uint32_t post(uint32_t connection_id, const T& message) {
    hv::PostMessageInput input{};
    input.connection_id = connection_id;
    input.message_type = hv::kMessageChannel;
    input.payload_size = sizeof(T);
    write_wire(std::span(input.payload), message);
    memory.memory().write(Gpa{kInput}, input);
    return hyperv.hypercall(0, {.rcx = hv::kCallPostMessage, .rdx = kInput, .r8 = 0});
  }
  template <WireStruct T>
  T receive() {
    const auto slot = [this] { return *memory.memory().read<hv::Message>(Gpa{kSlot}); };
    reactor->run_until([&] { return slot().type.get() != hv::kMessageNone; });
    const auto message = *read_wire<T>(slot().payload);
    const bool pending = slot().flags != 0;
    memory.memory().write(Gpa{kSlot}, le32{hv::kMessageNone});
    if (pending) hyperv.msr_write(0, hv::kMsrEom, 0);
    return message;
  }
  vmbus::InitiateContact contact(uint32_t version) {
    vmbus::InitiateContact message{};
    message.header.type = vmbus::message_type::kInitiateContact;
    message.version = version;
    message.interrupt_page = vmbus::kSint;
    return message;
  }

  TestMemory memory{0x10000};
  InterruptRecorder backend;
  Synic synic{memory.memory(), backend, 1};
  FakePower power;
  Hyperv hyperv{memory.memory(), synic, power, {}};
  std::unique_ptr<io::Reactor> reactor;
  std::optional<vmbus::Server> server;
  std::optional<VmbusLink> link;
};

TEST_F(VmbusLinkTest, AGuestMakesContactAndGetsItsOffers) {
  EXPECT_EQ(post(vmbus::kMessageConnection5, contact(vmbus::kVersion5_3)), hv::kStatusSuccess);
  const auto response = receive<vmbus::VersionResponse>();
  EXPECT_EQ(response.header.type.get(), vmbus::message_type::kVersionResponse);
  EXPECT_EQ(response.supported, 1);
  EXPECT_EQ(backend.interrupts(), 1u);

  vmbus::MessageHeader request{};
  request.type = vmbus::message_type::kRequestOffers;
  EXPECT_EQ(post(response.message_connection, request), hv::kStatusSuccess);
  EXPECT_EQ(receive<vmbus::MessageHeader>().type.get(), vmbus::message_type::kAllOffersDelivered);
}

TEST_F(VmbusLinkTest, AnUnknownConnectionIsRefusedInTheHypercall) {
  EXPECT_EQ(post(5, contact(vmbus::kVersion5_3)), hv::kStatusInvalidConnectionId);
}

TEST_F(VmbusLinkTest, RoomInTheQueueIsToldOnTheReactor) {
  // Fill the queue behind VMBus's back, so that its answer is refused at first.
  while (synic.post_message(0, wire_bytes(le32{0}))) {
  }
  EXPECT_EQ(post(vmbus::kMessageConnection5, contact(vmbus::kVersion5_3)), hv::kStatusSuccess);
  for (uint32_t i = 0; i < Synic::kMaxQueuedMessages + 1; ++i)
    EXPECT_EQ(receive<le32>().get(), 0u);
  EXPECT_EQ(receive<vmbus::VersionResponse>().header.type.get(),
            vmbus::message_type::kVersionResponse);
}

}  // namespace
}  // namespace viridian::vmm
