// two-queues VHD: adds up the bytes of a disk in two threads, each with a queue of its own.
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <viridian/vhd.h>

enum { PIECE = 64 << 10 };
struct half {
  viridian_vhd* queue;
  uint64_t next, end, sum;
  int result;
};
static atomic_int ended;

static void add_up(struct half* half) {
  unsigned char bytes[PIECE];
  while (half->next < half->end && half->result == 0) {
    struct iovec part = {bytes, half->end - half->next < PIECE ? half->end - half->next : PIECE};
    half->result = viridian_vhd_readv(half->queue, &part, 1, half->next, NULL);
    half->next += part.iov_len;
    for (size_t i = 0; i < part.iov_len && half->result == 0; i++)
      half->sum += bytes[i];
  }
}

static void* second_thread(void* half) {
  add_up(half);
  atomic_store(&ended, 1);
  return NULL;
}

int main(int argc, char** argv) {
  struct viridian_vhd_open_options options = {sizeof(options), VIRIDIAN_VHD_READ_ONLY, 0, 0, NULL};
  struct viridian_vhd_info info = {.struct_size = sizeof(info)};
  struct viridian_vhd_error error = {0, "usage: two-queues VHD"};
  struct half first = {0}, second = {0};
  pthread_t thread;
  if (argc != 2 || viridian_vhd_open(argv[1], &options, &first.queue, &error) < 0 ||
      viridian_vhd_get_info(first.queue, &info, &error) < 0 ||
      viridian_vhd_open_queue(first.queue, NULL, &second.queue, &error) < 0)
    return fprintf(stderr, "two-queues: %s\n", error.message), 1;
  first.end = second.next = info.size_bytes / 1024 * 512;
  second.end = info.size_bytes;
  struct pollfd ready = {viridian_vhd_fd(first.queue, NULL), POLLIN, 0};
  if (pthread_create(&thread, NULL, second_thread, &second) != 0) return 1;
  add_up(&first);
  // What the other queue cannot do by itself is done in the calls on the disk's own handle.
  while (!atomic_load(&ended))
    if (poll(&ready, 1, 10) == 1) viridian_vhd_poll(first.queue, NULL);
  pthread_join(thread, NULL);
  printf("%llu\n", (unsigned long long)(first.sum + second.sum));
  return viridian_vhd_close(second.queue, NULL) < 0 || viridian_vhd_close(first.queue, NULL) < 0 ||
         first.result < 0 || second.result < 0;
}
