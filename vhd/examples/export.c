// export VHD RAW: writes a disk's bytes into a raw file, with 16 reads at a time in a loop of the
// caller's own. This loop waits for one descriptor; an epoll loop would add it to its others.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include <viridian/vhd.h>

enum { DEPTH = 16, PIECE = 256 << 10 };
static viridian_vhd* disk;
static struct viridian_vhd_error error = {0, "usage: export VHD RAW"};
static uint64_t next, size;
static int raw, reading, failed;
static struct slot {
  struct viridian_vhd_request request;
  struct iovec part;
  char bytes[PIECE];
} slots[DEPTH];

static void start(struct slot* slot) {
  struct viridian_vhd_request* request = &slot->request;
  if (next == size || failed) return;
  request->offset = next;
  slot->part.iov_len = size - next < PIECE ? size - next : PIECE;
  next += slot->part.iov_len;
  if (viridian_vhd_submit(disk, &request, 1, &error) == 1) reading++;
}

static void done(struct viridian_vhd_request* request, int result) {
  struct slot* slot = request->user;
  const size_t length = slot->part.iov_len;
  reading--;
  if (result < 0) failed = 1;
  if (pwrite(raw, slot->bytes, length, (off_t)request->offset) != (ssize_t)length) failed = 1;
  start(slot);
}

int main(int argc, char** argv) {
  struct viridian_vhd_open_options options = {sizeof(options), VIRIDIAN_VHD_READ_ONLY, 0, 0, NULL};
  struct viridian_vhd_info info = {.struct_size = sizeof(info)};
  if (argc != 3 || viridian_vhd_open(argv[1], &options, &disk, &error) < 0 ||
      viridian_vhd_get_info(disk, &info, &error) < 0)
    return fprintf(stderr, "export: %s\n", error.message), 1;
  raw = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666);
  size = info.size_bytes;
  for (struct slot* slot = slots; slot < slots + DEPTH; slot++) {
    slot->part.iov_base = slot->bytes;
    slot->request.op = VIRIDIAN_VHD_OP_READ;
    slot->request.iov = &slot->part;
    slot->request.iov_count = 1;
    slot->request.done = done;
    slot->request.user = slot;
    start(slot);
  }
  struct pollfd ready = {viridian_vhd_fd(disk, NULL), POLLIN, 0};
  while (reading > 0)
    if (poll(&ready, 1, -1) == 1) viridian_vhd_poll(disk, NULL);
  return viridian_vhd_close(disk, NULL) < 0 || close(raw) < 0 || failed;
}
