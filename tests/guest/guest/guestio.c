/* guestio: reads or writes a block device in requests of an exact size, past the page cache.
 *
 *   guestio read  DEVICE OFFSET LENGTH REQUEST FILE      copies from the device to FILE
 *   guestio write DEVICE OFFSET LENGTH REQUEST FILE      copies FILE's first LENGTH bytes to the
 * device guestio flush DEVICE                                 fsync: a flush request to the disk
 *
 * O_DIRECT makes each read() and write() one request of the disk (as far as the driver's limits
 * go), so requests can be counted. A static C program: it runs in an initial RAM file system
 * without libraries.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kAlignment = 4096, kLargestRequest = 8 << 20 };

static int fail(const char* what, const char* name) {
  fprintf(stderr, "guestio: %s %s: %s\n", what, name, strerror(errno));
  return 1;
}

static int copy(int from, int to, char* buffer, long long length, size_t request, long long* at,
                int device_is_source) {
  while (length > 0) {
    size_t wanted = length < (long long)request ? (size_t)length : request;
    ssize_t got = device_is_source ? pread(from, buffer, wanted, *at) : read(from, buffer, wanted);
    if (got != (ssize_t)wanted)
      return fail("short read from", device_is_source ? "device" : "file");
    ssize_t put = device_is_source ? write(to, buffer, wanted) : pwrite(to, buffer, wanted, *at);
    if (put != (ssize_t)wanted) return fail("short write to", device_is_source ? "file" : "device");
    *at += (long long)wanted;
    length -= (long long)wanted;
  }
  return 0;
}

static int flush(const char* device) {
  int fd = open(device, O_RDWR);
  if (fd < 0) return fail("open", device);
  if (fsync(fd) != 0) return fail("flush", device);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "flush") == 0) return flush(argv[2]);
  if (argc != 7 || (strcmp(argv[1], "read") != 0 && strcmp(argv[1], "write") != 0)) {
    fprintf(stderr, "usage: guestio read|write DEVICE OFFSET LENGTH REQUEST FILE | flush DEVICE\n");
    return 2;
  }
  int reading = strcmp(argv[1], "read") == 0;
  long long at = atoll(argv[3]);
  long long length = atoll(argv[4]);
  long long request = atoll(argv[5]);
  if (request <= 0 || request > kLargestRequest) {
    fprintf(stderr, "guestio: a request has 1 to %d bytes\n", kLargestRequest);
    return 2;
  }
  void* buffer = NULL;
  if (posix_memalign(&buffer, kAlignment, (size_t)request) != 0) return fail("allocate", "buffer");
  int device = open(argv[2], (reading ? O_RDONLY : O_WRONLY) | O_DIRECT);
  if (device < 0) return fail("open", argv[2]);
  int file = strcmp(argv[6], "-") == 0 ? (reading ? 1 : 0)
             : reading                 ? open(argv[6], O_WRONLY | O_CREAT | O_TRUNC, 0644)
                                       : open(argv[6], O_RDONLY);
  if (file < 0) return fail("open", argv[6]);
  return copy(reading ? device : file, reading ? file : device, buffer, length, (size_t)request,
              &at, reading);
}
