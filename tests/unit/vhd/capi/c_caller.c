/* The header and the library as a program in plain C sees them. Argument: a folder to work in. */
#include <stdio.h>
#include <string.h>
#include <viridian/vhd.h>

static int failed(const char* what, const struct viridian_vhd_error* error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  char path[4096];
  snprintf(path, sizeof(path), "%s/from-c.vhd", argv[1]);
  struct viridian_vhd_error error;
  struct viridian_vhd_create_options create = {
      .struct_size = sizeof(create), .kind = VIRIDIAN_VHD_DYNAMIC, .size_bytes = 1 << 20};
  create.flags = VIRIDIAN_VHD_REPLACE;
  if (viridian_vhd_create(path, &create, &error) < 0) return failed("create", &error);
  viridian_vhd* disk;
  if (viridian_vhd_open(path, NULL, &disk, &error) < 0) return failed("open", &error);
  char out[512], in[512] = "";
  memset(out, 'c', sizeof(out));
  struct iovec part = {out, sizeof(out)};
  if (viridian_vhd_writev(disk, &part, 1, 512, 0, &error) < 0) return failed("write", &error);
  part.iov_base = in;
  if (viridian_vhd_readv(disk, &part, 1, 512, &error) < 0) return failed("read", &error);
  if (memcmp(in, out, sizeof(in)) != 0) return failed("compare", &error);
  if (viridian_vhd_readv(disk, &part, 1, 3, &error) == 0) return failed("odd offset", &error);
  if (viridian_vhd_close(disk, &error) < 0) return failed("close", &error);
  return 0;
}
