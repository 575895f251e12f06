#include "vmm-minimal/hyperv.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "vmm-minimal/hypercall_page.h"

namespace viridian::vmm {
namespace {

constexpr std::byte kInt3{0xCC};
constexpr uint64_t kMaxCrashReports = 4;  // a guest could go on for ever
constexpr pci::PortRange kPorts[] = {{kSignalPort, 1}};

void bump(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

__extension__ using uint128 = unsigned __int128;
constexpr uint64_t kReferenceHz = 10'000'000;  // TLFS 12.7: units of 100 ns

// Rounded down; a TSC below 10 MHz does not exist.
uint64_t scale_of(uint64_t tsc_hz) {
  if (tsc_hz <= kReferenceHz) return 0;
  return static_cast<uint64_t>((uint128{kReferenceHz} << 64) / tsc_hz);
}

bool is_synic(uint32_t msr) {
  return msr >= hv::kMsrScontrol && msr < hv::kMsrSint0 + hv::kSintCount;
}

// The end of the guest's log, without anything that could steer a terminal.
void print_crash_text(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    text += c == '\n' || (c >= ' ' && c <= '~') ? c : '?';
  }
  fmt::print(stderr, "{}\n", text);
}

}  // namespace

Hyperv::Hyperv(const GuestMemory& memory, Synic& synic, PowerControl& power,
               const HypervConfig& config)
    : memory_(memory),
      synic_(synic),
      power_(power),
      config_(config),
      tsc_scale_(scale_of(config.tsc_hz)) {}

std::optional<uint64_t> Hyperv::msr_read(unsigned vp, uint32_t msr) noexcept {
  if (vp >= config_.features.cpu_count) return std::nullopt;
  if (is_synic(msr)) return synic_.read(vp, msr);
  const std::lock_guard hold(mutex_);
  switch (msr) {
    case hv::kMsrGuestOsId:
      return guest_os_id_;
    case hv::kMsrHypercall:
      return hypercall_;
    case hv::kMsrVpIndex:
      return vp;
    case hv::kMsrTscFrequency:
      return config_.tsc_hz;
    case hv::kMsrApicFrequency:
      return config_.apic_hz;
    case hv::kMsrReferenceTsc:
      if (config_.features.reference_tsc) return reference_tsc_;
      break;
    case hv::kMsrTimeRefCount:
      if (!config_.features.reference_tsc) break;
      return static_cast<uint64_t>(uint128{config_.tsc->read_tsc(vp)} * tsc_scale_ >> 64);
    case hv::kMsrVpAssist:
      return vp_assist_[vp];
    case hv::kMsrCrashControl:
      return hv::kCrashNotify | hv::kCrashNotifyMessage;
    case hv::kMsrTscInvariantControl:
      if (config_.features.invariant_tsc) return tsc_invariant_;
      break;
    default:
      if (msr >= hv::kMsrCrash0 && msr - hv::kMsrCrash0 < hv::kCrashParameters) {
        return crash_[msr - hv::kMsrCrash0];
      }
  }
  faults_.count(HypervFault::kUnknownMsr);
  return std::nullopt;
}

bool Hyperv::msr_write(unsigned vp, uint32_t msr, uint64_t value) noexcept {
  if (vp >= config_.features.cpu_count) return false;
  if (is_synic(msr)) return synic_.write(vp, msr, value);
  const std::lock_guard hold(mutex_);
  switch (msr) {
    case hv::kMsrGuestOsId:
      guest_os_id_ = value;
      if (value == 0) hypercall_ &= ~hv::kEnable;  // TLFS 3.13: no identity, no hypercalls
      return true;
    case hv::kMsrHypercall:
      return write_hypercall_page(value);
    case hv::kMsrReferenceTsc:
      if (config_.features.reference_tsc) return write_reference_tsc(value);
      break;
    case hv::kMsrVpAssist:
      // Kept, and never written to: what it would hold (lazy EOI, nested state) is not offered.
      vp_assist_[vp] = value;
      return true;
    case hv::kMsrCrashControl:
      report_crash(value);
      return true;
    case hv::kMsrTscInvariantControl:
      if (!config_.features.invariant_tsc) break;
      if (value > 1) {
        faults_.count(HypervFault::kBadMsrValue);
        return false;
      }
      tsc_invariant_ = value;
      return true;
    default:
      if (msr >= hv::kMsrCrash0 && msr - hv::kMsrCrash0 < hv::kCrashParameters) {
        crash_[msr - hv::kMsrCrash0] = value;
        return true;
      }
  }
  faults_.count(HypervFault::kUnknownMsr);  // or one that is read only
  return false;
}

// The page is a page of the guest's own memory. What it held is lost; on a real hypervisor it would
// come back when the page is switched off, which no guest relies on.
bool Hyperv::write_hypercall_page(uint64_t value) noexcept {
  if ((hypercall_ & hv::kHypercallLocked) != 0) return true;  // ignored, TLFS 3.13
  if (guest_os_id_ == 0) value &= ~hv::kEnable;
  if ((value & hv::kEnable) != 0) {
    const auto page = memory_.window(Gpa{value & hv::kPageMask}, hv::kPageBytes);
    if (!page) {
      faults_.count(HypervFault::kBadMsrValue);
      return false;
    }
    const auto code = hypercall_page_code();
    std::copy(code.begin(), code.end(), page->begin());
    std::fill(page->begin() + static_cast<ptrdiff_t>(code.size()), page->end(), kInt3);
  }
  hypercall_ = value;
  return true;
}

// Time is (TSC * scale) >> 64 with an offset of 0, since the guest's TSC starts with the machine
// and its rate is fixed while it lives: the page is written once and never changes. TLFS 12.7.3.
bool Hyperv::write_reference_tsc(uint64_t value) noexcept {
  if ((value & hv::kEnable) != 0) {
    hv::ReferenceTscPage page{};
    page.sequence = 1;  // 0 would mean: read the counter's MSR
    page.scale = tsc_scale_;
    if (!memory_.write(Gpa{value & hv::kPageMask}, page)) {
      faults_.count(HypervFault::kBadMsrValue);
      return false;
    }
  }
  reference_tsc_ = value;
  return true;
}

// Linux writes the parameters, then this: an error code, RIP, ..., or the address and the length
// of the end of its log (P3, P4). It waits for nothing and goes on to reboot or to halt.
void Hyperv::report_crash(uint64_t control) noexcept {
  if ((control & hv::kCrashNotify) == 0) return;
  bump(crashes_);
  power_.stop(StopReason::kGuestPanic);
  if (crashes_.load() > kMaxCrashReports) return;
  fmt::print(stderr, "guest panic: parameters {:#x} {:#x} {:#x} {:#x} {:#x}\n", crash_[0],
             crash_[1], crash_[2], crash_[3], crash_[4]);
  if ((control & hv::kCrashNotifyMessage) != 0) {
    std::array<std::byte, hv::kPageBytes> text;
    const auto length = static_cast<size_t>(std::min<uint64_t>(crash_[4], text.size()));
    const auto bytes = std::span(text).first(length);
    if (memory_.read(Gpa{crash_[3]}, bytes)) print_crash_text(bytes);
  }
}

uint32_t Hyperv::hypercall(unsigned vp, const HypercallRegisters& registers) noexcept {
  if (vp >= config_.features.cpu_count) return hv::kStatusInvalidCode;
  const auto code = static_cast<uint16_t>(registers.rcx & hv::kCallCode);
  const bool fast = (registers.rcx & hv::kCallFast) != 0;
  // Neither call has a variable header or repetitions: the rest of the control must be 0.
  const bool plain = (registers.rcx & ~(hv::kCallCode | hv::kCallFast)) == 0;
  switch (code) {
    case hv::kCallPostMessage:
      bump(posts_);
      if (fast || !plain) return bad_hypercall(hv::kStatusInvalidInput);
      return post_message(Gpa{registers.rdx});
    case hv::kCallSignalEvent: {
      bump(slow_signals_);
      if (!plain) return bad_hypercall(hv::kStatusInvalidInput);
      if (fast) return signal_event(registers.rdx);
      if (registers.rdx % 8 != 0) return bad_hypercall(hv::kStatusInvalidAlignment);
      const auto input = memory_.read<le64>(Gpa{registers.rdx});
      return input ? signal_event(*input) : bad_hypercall(hv::kStatusInvalidParameter);
    }
    default:
      bump(other_calls_);
      return bad_hypercall(hv::kStatusInvalidCode);
  }
}

uint16_t Hyperv::bad_hypercall(uint16_t status) noexcept {
  faults_.count(HypervFault::kBadHypercall);
  return status;
}

uint16_t Hyperv::post_message(Gpa gpa) noexcept {
  const uint64_t address = to_u64(gpa);
  if (address % 8 != 0) return bad_hypercall(hv::kStatusInvalidAlignment);
  // TLFS 3.7: input lies within one page.
  if (address % hv::kPageBytes > hv::kPageBytes - sizeof(hv::PostMessageInput)) {
    return bad_hypercall(hv::kStatusInvalidAlignment);
  }
  const auto input = memory_.read<hv::PostMessageInput>(gpa);
  if (!input) return bad_hypercall(hv::kStatusInvalidParameter);
  const uint32_t type = input->message_type, size = input->payload_size;
  if (size > hv::kMessagePayloadBytes || type != hv::kMessageChannel) {
    return bad_hypercall(hv::kStatusInvalidParameter);
  }
  if (receiver_.call == nullptr) return hv::kStatusInvalidConnectionId;
  return receiver_.call(receiver_.context, input->connection_id,
                        std::span(input->payload).first(size));
}

// `input` is a SignalEventInput: connection id, flag number, reserved. VMBus connections have one
// flag only, so the guest always says 0.
uint16_t Hyperv::signal_event(uint64_t input) noexcept {
  if (input >> 32 != 0) return bad_hypercall(hv::kStatusInvalidParameter);
  if (synic_.ring(static_cast<uint32_t>(input))) return hv::kStatusSuccess;
  faults_.count(HypervFault::kUnknownDoorbell);
  return hv::kStatusInvalidConnectionId;
}

std::span<const pci::PortRange> Hyperv::port_ranges() const noexcept { return kPorts; }

uint32_t Hyperv::port_read(uint16_t, unsigned) noexcept { return ~0u; }

// An OUT of the hypercall page that no ioeventfd took. The guest has its "success" already.
void Hyperv::port_write(uint16_t, unsigned width, uint32_t value) noexcept {
  bump(missed_doorbells_);
  if (width != 4 || !synic_.ring(value)) faults_.count(HypervFault::kUnknownDoorbell);
}

void Hyperv::reset() noexcept {
  {
    const std::lock_guard hold(mutex_);
    guest_os_id_ = hypercall_ = reference_tsc_ = tsc_invariant_ = 0;
    vp_assist_.fill(0);
    crash_.fill(0);
  }
  synic_.reset();
}

void Hyperv::append_stats(Stats& stats) const {
  auto append = [&](const char* name, uint64_t value) {
    if (value != 0) stats.push_back({"hyperv", name, value});
  };
  append("post_message", posts_.load());
  append("signal_event_by_exit", slow_signals_.load());
  append("missed_doorbells", missed_doorbells_.load());
  append("other", other_calls_.load());
  append("guest_panics", crashes_.load());
  append("unknown_msrs", faults_.of(HypervFault::kUnknownMsr));
  append("guest_errors", faults_.total() - faults_.of(HypervFault::kUnknownMsr));
}

}  // namespace viridian::vmm
