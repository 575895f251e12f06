/* The IDE half: IDENTIFY, a read and a write by PIO, and a read and a write by bus-master DMA.
 * ATA/ATAPI-6 (task file), Intel PIIX4 data sheet (bus master), PCI 2.1 (configuration mechanism
 * 1).
 */
#include "machine.h"

enum { kTask = 0x1F0, kSectors = kTask + 2, kDevice = kTask + 6, kStatus = kTask + 7 };
enum { kCommand = kStatus };
enum { kBusy = 0x80, kDrq = 0x08, kErr = 0x01 };
enum { kRead = 0x20, kReadDma = 0xC8, kWrite = 0x30, kWriteDma = 0xCA, kFlush = 0xE7 };
enum { kIdentify = 0xEC };
enum { kPciAddress = 0xCF8, kPciData = 0xCFC, kBusMasterBase = 0xC000 };
enum { kSectorWords = 256, kSectorBytes = 512, kPatience = 2000000 };

/* The places that the test knows too (cases/payload.py). */
enum { kReadLba = 2048, kPioWriteLba = 6144, kDmaWriteLba = 6160, kCount = 8 };

static uint32_t crc32(const uint8_t* bytes, uint32_t length) {
  uint32_t crc = ~0u;
  for (uint32_t i = 0; i < length; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

static uint8_t wait_status(uint8_t wanted) {
  uint8_t status = kBusy;
  for (int i = 0; i < kPatience; ++i) {
    status = in8(kStatus);
    if ((status & kBusy) == 0 && ((status & wanted) == wanted || (status & kErr) != 0)) break;
  }
  return status;
}

static void issue(uint8_t command, uint32_t lba, uint8_t count) {
  out8(kDevice, (uint8_t)(0xE0 | (lba >> 24 & 0x0F)));
  wait_status(0);
  out8(kSectors, count);
  out8(kTask + 3, (uint8_t)lba);
  out8(kTask + 4, (uint8_t)(lba >> 8));
  out8(kTask + 5, (uint8_t)(lba >> 16));
  out8(kCommand, command);
}

/* Moves `count` sectors by PIO; returns the last status, with DRQ gone if all is well. */
static uint8_t pio(uint8_t command, uint32_t lba, uint8_t count, uint16_t* words) {
  issue(command, lba, command == kIdentify ? 0 : count);
  for (uint8_t sector = 0; sector < count; ++sector) {
    if ((wait_status(kDrq) & (kBusy | kDrq | kErr)) != kDrq) break;
    for (int i = 0; i < kSectorWords; ++i, ++words) {
      if (command == kWrite) {
        out16(kTask, *words);
      } else {
        *words = in16(kTask);
      }
    }
  }
  return wait_status(0);
}

static uint32_t pci_read(uint32_t function, uint32_t offset) {
  out32(kPciAddress, 0x80000000u | function << 8 | offset);
  return in32(kPciData);
}

static void pci_write(uint32_t function, uint32_t offset, uint32_t value) {
  out32(kPciAddress, 0x80000000u | function << 8 | offset);
  out32(kPciData, value);
}

/* Finds the IDE function on bus 0 by its class (0101h), places its BAR 4, switches it on. */
static int enable_bus_master(void) {
  for (uint32_t function = 0; function < 256; ++function) {
    if (pci_read(function, 0x08) >> 16 != 0x0101) continue;
    print_value("ide_function", pci_read(function, 0));
    pci_write(function, 0x20, kBusMasterBase);
    pci_write(function, 0x04, 0x5); /* I/O space, bus master */
    return 1;
  }
  return 0;
}

/* One PRD entry for the whole buffer. Returns the bus master's status: 4 is "interrupt, no error".
 */
static uint8_t dma(uint8_t command, uint32_t lba, uint8_t count) {
  volatile uint32_t* table = (volatile uint32_t*)(uintptr_t)kDmaTable;
  table[0] = kBuffer;
  table[1] = 0x80000000u | (uint32_t)count * kSectorBytes;
  out8(kBusMasterBase, 0);
  out32(kBusMasterBase + 4, kDmaTable);
  out8(kBusMasterBase + 2, 0x06); /* clears error and interrupt */
  issue(command, lba, count);
  out8(kBusMasterBase, command == kReadDma ? 0x09 : 0x01);
  uint8_t status = 0;
  for (int i = 0; i < kPatience && (status & 0x04) == 0; ++i)
    status = in8(kBusMasterBase + 2);
  out8(kBusMasterBase, 0);
  wait_status(0);
  return status & 0x07;
}

static void fill(uint8_t* bytes, uint8_t seed) {
  for (uint32_t i = 0; i < kCount * kSectorBytes; ++i)
    bytes[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

void test_ide(void) {
  uint16_t* words = (uint16_t*)(uintptr_t)kBuffer;
  uint8_t* bytes = (uint8_t*)(uintptr_t)kBuffer;
  if (in8(kStatus) == 0xFF) {
    print("no IDE controller\n");
    return;
  }
  print_value("identify_status", pio(kIdentify, 0, 1, words));
  print_value("identify_sectors", (uint32_t)words[60] | (uint32_t)words[61] << 16);

  print_value("pio_read_status", pio(kRead, kReadLba, kCount, words));
  print_value("pio_read_crc", crc32(bytes, kCount * kSectorBytes));
  fill(bytes, 1);
  print_value("pio_write_status", pio(kWrite, kPioWriteLba, kCount, words));

  if (!enable_bus_master()) {
    print("no IDE function\n");
    return;
  }
  for (uint32_t i = 0; i < kCount * kSectorBytes; ++i)
    bytes[i] = 0;
  print_value("dma_read_status", dma(kReadDma, kReadLba + kCount, kCount));
  print_value("dma_read_crc", crc32(bytes, kCount * kSectorBytes));
  fill(bytes, 2);
  print_value("dma_write_status", dma(kWriteDma, kDmaWriteLba, kCount));
  issue(kFlush, 0, 0);
  print_value("flush_status", wait_status(0));

  issue(kRead, 0x0FFFFFFF, 1); /* past the end: ERR, and IDNF or ABRT in the error register */
  print_value("past_end_error", (wait_status(kErr) & kErr) ? in8(kTask + 1) & 0x14 : 0);
}
