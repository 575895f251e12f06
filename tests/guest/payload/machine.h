// What the payload's parts share: places in memory, ports, MSRs, the console. See payload.c.
// C without a library: it runs on the bare machine.
#pragma once

#include <stdint.h>

/* Guest-physical places, one to one in memory, free of firmware tables and of the payload. */
enum {
  kHypercallPage = 0x200000,
  kMessagePage = 0x201000,
  kEventPage = 0x202000,
  kHypercallInput = 0x203000,
  kDmaTable = 0x204000,
  kBuffer = 0x210000,
};

static inline void out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out16(uint16_t port, uint16_t value) {
  __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline uint16_t in16(uint16_t port) {
  uint16_t value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline uint32_t in32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline void write_msr(uint32_t msr, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static inline uint64_t read_msr(uint32_t msr) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return (uint64_t)high << 32 | low;
}

void print(const char* text);
void print_value(const char* name, uint64_t value); /* "name 0x12AB" and a new line */

void test_ide(void);
void test_hyperv(void);
