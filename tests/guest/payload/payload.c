/* A guest of its own for any /dev/kvm, also one that cannot run a stock kernel: drives the IDE
 * ports and the hypercall page directly, prints what it sees on COM1 as "name 0xVALUE" lines, and
 * switches the machine off. Polls; interrupts stay off. The test (cases/payload.py) knows what must
 * be seen.
 */
#include "machine.h"

enum { kSerial = 0x3F8, kLineStatus = kSerial + 5, kTransmitEmpty = 0x20 };
/* PM1a control of vmm-minimal's ACPI, with S5's type and SLP_EN (vmm-minimal/acpi_pm.h). */
enum { kPm1Control = 0x604, kPowerOff = 5 << 10 | 1 << 13 };

void print(const char* text) {
  for (; *text != '\0'; ++text) {
    while ((in8(kLineStatus) & kTransmitEmpty) == 0) {
    }
    out8(kSerial, (uint8_t)*text);
  }
}

void print_value(const char* name, uint64_t value) {
  char digits[19];
  char* at = digits + sizeof(digits);
  *--at = '\0';
  do {
    *--at = "0123456789ABCDEF"[value & 15];
    value >>= 4;
  } while (value != 0);
  print(name);
  print(" 0x");
  print(at);
  print("\n");
}

void payload(void) {
  print("payload start\n");
  test_ide();
  test_hyperv();
  print("payload end\n");
  out16(kPm1Control, kPowerOff);
}
