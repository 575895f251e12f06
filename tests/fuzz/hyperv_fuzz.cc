// Any synthetic MSRs and hypercalls over any memory, with a host that posts and signals between:
// nothing is touched outside of memory, and after a reset the next guest's SynIC works.
#include <fuzzer/FuzzedDataProvider.h>

#include "tests/unit/vmm-minimal/fakes.h"
#include "vmm-minimal/hyperv.h"

namespace viridian::vmm {

constexpr uint64_t kMemory = 0x8000, kSimp = 0x2000;

static void require(bool holds) { holds ? void() : __builtin_trap(); }

struct Tsc final : GuestTsc {
  uint64_t read_tsc(unsigned) noexcept override { return 1 << 30; }
};

static void run(FuzzedDataProvider input) {
  TestMemory memory(kMemory);
  InterruptRecorder backend;
  Synic synic(memory.memory(), backend, 2);
  FakePower power;
  Tsc tsc;
  const HypervFeatures features{.cpu_count = 2, .reference_tsc = input.ConsumeBool()};
  Hyperv hyperv(memory.memory(), synic, power,
                {.features = features, .tsc = &tsc, .tsc_hz = 2'000'000'000});
  const auto receive = [](void*, uint32_t, std::span<const std::byte>) noexcept {
    return hv::kStatusSuccess;
  };
  hyperv.set_receiver({receive, nullptr});
  const std::byte payload[hv::kMessagePayloadBytes] = {};
  while (input.remaining_bytes() > 0) {
    const unsigned vp = input.ConsumeIntegralInRange(0u, 2u), call = input.ConsumeBool() ? 0x5C : 0;
    const uint32_t msr = hv::kMsrFirst + input.ConsumeIntegralInRange(0u, hv::kMsrCount);
    const uint64_t value = input.ConsumeBool() ? input.ConsumeIntegral<uint64_t>()
                                               : input.ConsumeIntegralInRange(0u, 0x8009u);
    const int way = input.ConsumeIntegralInRange(0, 5);
    if (way == 0) hyperv.msr_read(vp, msr);
    if (way == 1 && msr != hv::kMsrCrashControl) hyperv.msr_write(vp, msr, value);  // it prints
    if (way == 2) hyperv.hypercall(vp, {.rcx = call ? call : msr % 0x20000, .rdx = value, .r8 = 0});
    if (way == 3) synic.post_message(vp, std::span(payload).first(value % 241));
    if (way == 4) synic.signal_event(vp, static_cast<uint32_t>(value));
    if (way == 5) *memory.at(value % kMemory) = static_cast<std::byte>(msr);
  }
  hyperv.reset();
  require(hyperv.msr_write(0, hv::kMsrSimp, kSimp | 1) && hyperv.msr_write(0, 0x40000092, 0xF3));
  require(hyperv.msr_write(0, hv::kMsrScontrol, 1) && synic.post_message(0, {}));
  require(*memory.at(kSimp + 2 * hv::kSlotBytes) == std::byte{1});
}

}  // namespace viridian::vmm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  viridian::vmm::run(FuzzedDataProvider(data, size));
  return 0;
}
