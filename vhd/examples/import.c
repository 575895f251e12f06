// import RAW VHD: makes a dynamic VHD of a raw disk's bytes, with synchronous calls.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <viridian/vhd.h>

enum { PIECE = 1 << 20 };
static char piece[PIECE];

static int is_zero(const char* bytes, size_t length) {
  return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

static int failed(const struct viridian_vhd_error* error) {
  fprintf(stderr, "import: %s\n", error->message);
  return 1;
}

int main(int argc, char** argv) {
  struct stat raw;
  FILE* in = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (in == NULL || fstat(fileno(in), &raw) != 0) {
    fprintf(stderr, "usage: import RAW VHD\n");
    return 2;
  }
  struct viridian_vhd_error error;
  struct viridian_vhd_create_options create = {.struct_size = sizeof(create)};
  create.kind = VIRIDIAN_VHD_DYNAMIC;
  create.size_bytes = ((uint64_t)raw.st_size + 511) / 512 * 512;
  if (viridian_vhd_create(argv[2], &create, &error) < 0) return failed(&error);

  viridian_vhd* disk;
  if (viridian_vhd_open(argv[2], NULL, &disk, &error) < 0) return failed(&error);
  int result = 0;
  size_t got;
  for (uint64_t offset = 0; result == 0 && (got = fread(piece, 1, PIECE, in)) > 0; offset += got) {
    const size_t length = (got + 511) / 512 * 512;
    memset(piece + got, 0, length - got);
    if (is_zero(piece, length)) continue;  // a new disk reads as zeroes
    const struct iovec part = {piece, length};
    result = viridian_vhd_writev(disk, &part, 1, offset, 0, &error);
  }
  if (result < 0) failed(&error);
  // Closing makes everything durable, and says if it could not.
  const int closed = viridian_vhd_close(disk, &error);
  if (closed < 0) failed(&error);
  return result < 0 || closed < 0 || ferror(in) ? 1 : 0;
}
