/* The Hyper-V half: the hypercall page with right and wrong calls, and VMBus as far as its offers,
 * by messages in the SynIC's slot. TLFS 3 and 11; the VMBus messages are named as Linux names them.
 */
#include "machine.h"

enum { kGuestOsId = 0x40000000, kHypercall = 0x40000001, kVpIndex = 0x40000002 };
enum { kScontrol = 0x40000080, kSiefp = 0x40000082, kSimp = 0x40000083, kEom = 0x40000084 };
enum { kSint = 2, kSintMsr = 0x40000090 + kSint, kPolling = 1 << 18 };
enum { kPostMessage = 0x5C, kSignalEventFast = 0x1005D, kUnknownCall = 0x0FFF };
enum {
  kOffer = 1,
  kRequestOffers = 3,
  kAllOffers = 4,
  kInitiateContact = 14,
  kVersionResponse = 15
};
enum { kNewConnection = 4, kUnknownConnection = 0x7777, kVersion53 = 5 << 16 | 3 };
enum { kPatience = 20000000, kMaxOffers = 64 };

struct Message { /* a SynIC slot: TLFS 11.8.2 */
  uint32_t type;
  uint8_t size, flags;
  uint16_t reserved;
  uint64_t origin;
  uint32_t payload[60];
};

struct PostInput { /* TLFS 11.11.1 */
  uint32_t connection, reserved, type, size;
  uint32_t payload[60];
};

static uint64_t hypercall(uint64_t control, uint64_t input) {
  uint64_t status;
  uintptr_t page = kHypercallPage;
  register uint64_t output __asm__("r8") = 0;
  __asm__ volatile("call *%[page]"
                   : "=a"(status), "+c"(control), "+d"(input), "+r"(output)
                   : [page] "b"(page)
                   : "memory", "cc", "r9", "r10", "r11");
  return status & 0xFFFF;
}

static uint64_t post(uint32_t connection, const uint32_t* words, uint32_t count) {
  struct PostInput* input = (struct PostInput*)(uintptr_t)kHypercallInput;
  input->connection = connection;
  input->reserved = 0;
  input->type = 1;
  input->size = count * 4;
  for (uint32_t i = 0; i < count; ++i)
    input->payload[i] = words[i];
  return hypercall(kPostMessage, kHypercallInput);
}

/* Waits for the next message, copies its payload, and frees the slot. 0: none came. */
static int receive(uint32_t* words) {
  volatile struct Message* slot = (volatile struct Message*)(uintptr_t)(kMessagePage + kSint * 256);
  for (int i = 0; i < kPatience; ++i) {
    if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == 0) continue;
    for (int word = 0; word < 60; ++word)
      words[word] = slot->payload[word];
    __atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
    if (slot->flags & 1) write_msr(kEom, 0);
    return 1;
  }
  return 0;
}

static void list_offers(uint32_t connection) {
  const uint32_t request[] = {kRequestOffers, 0};
  uint32_t words[60];
  uint32_t offers = 0;
  print_value("request_offers", post(connection, request, 2));
  while (offers <= kMaxOffers && receive(words) && words[0] == kOffer) {
    ++offers;
    print_value("offer_type", words[2]); /* the first part of the interface's GUID */
  }
  print_value("offers", offers);
  print_value("last_message", words[0]);
}

void test_hyperv(void) {
  write_msr(kGuestOsId, 0x8100ull << 48);
  write_msr(kHypercall, kHypercallPage | 1);
  print_value("hypercall_msr", read_msr(kHypercall));
  print_value("vp_index", read_msr(kVpIndex));
  print_value("unknown_call", hypercall(kUnknownCall, kHypercallInput));
  const uint32_t nothing[] = {0, 0};
  print_value("unknown_connection", post(kUnknownConnection, nothing, 2));
  print_value("signal_unknown", hypercall(kSignalEventFast, kUnknownConnection));

  write_msr(kSimp, kMessagePage | 1);
  write_msr(kSiefp, kEventPage | 1);
  write_msr(kSintMsr, kPolling | 0xF3);
  write_msr(kScontrol, 1);
  const uint32_t contact[] = {kInitiateContact, 0, kVersion53, 0, kSint, 0, 0, 0, 0, 0};
  uint32_t words[60] = {0};
  print_value("initiate_contact", post(kNewConnection, contact, 10));
  if (!receive(words)) {
    print("no answer\n");
    return;
  }
  print_value("answer", words[0]);
  print_value("version_supported", words[2] & 0xFF);
  list_offers(words[3]);
}
