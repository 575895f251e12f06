// What a caller can get wrong: an errno and a line that names it, and nothing else happens.
#include <cerrno>
#include <string>

#include "tests/support/temp_folder.h"
#include "tests/unit/vhd/capi/capi_disk.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSize = 1 << 20;

class CapiArguments : public ::testing::Test {
 protected:
  CapiArguments() { EXPECT_EQ(make_image(path_, VIRIDIAN_VHD_DYNAMIC, kSize), 0); }

  // The call failed with `code` and named `field`.
  void expect_refused(int result, int code, const std::string& field) {
    EXPECT_EQ(result, -code) << error_.message;
    EXPECT_EQ(error_.code, code);
    EXPECT_NE(std::string(error_.message).find(field), std::string::npos) << error_.message;
    error_ = {};
  }

  TempFolder folder_;
  std::string path_ = folder_.file("disk.vhd");
  viridian_vhd_error error_ = {};
  char memory_[4096] = {};
};

TEST_F(CapiArguments, NullHandlesAndPointersAreRefused) {
  const iovec part = {memory_, 512};
  viridian_vhd_info info = {};
  info.struct_size = sizeof(info);
  expect_refused(viridian_vhd_get_info(nullptr, &info, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_readv(nullptr, &part, 1, 0, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_writev(nullptr, &part, 1, 0, 0, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_flush(nullptr, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_discard(nullptr, 0, 512, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_write_zeroes(nullptr, 0, 512, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_submit(nullptr, nullptr, 0, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_fd(nullptr, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_poll(nullptr, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_snapshot(nullptr, "x", &error_), EINVAL, "disk");
  EXPECT_EQ(viridian_vhd_close(nullptr, &error_), 0);
  EXPECT_EQ(viridian_vhd_flush(nullptr, nullptr), -EINVAL);

  viridian_vhd* disk = nullptr;
  expect_refused(viridian_vhd_open(nullptr, nullptr, &disk, &error_), EINVAL, "path");
  expect_refused(viridian_vhd_open("", nullptr, &disk, &error_), EINVAL, "path");
  expect_refused(viridian_vhd_open(path_.c_str(), nullptr, nullptr, &error_), EINVAL, "disk");
  expect_refused(viridian_vhd_create(path_.c_str(), nullptr, &error_), EINVAL, "options");

  CapiDisk open(path_);
  expect_refused(viridian_vhd_get_info(open, nullptr, &error_), EINVAL, "info");
  expect_refused(viridian_vhd_snapshot(open, nullptr, &error_), EINVAL, "path");
}

TEST_F(CapiArguments, RangesThatAreMisalignedOrOutsideAreRefused) {
  CapiDisk disk(path_);
  const iovec part = {memory_, 512};
  const iovec odd = {memory_, 511};
  const iovec null = {nullptr, 512};
  const iovec huge[] = {{memory_, SIZE_MAX}, {memory_, 513}};
  expect_refused(viridian_vhd_readv(disk, &part, 1, 1, &error_), EINVAL, "offset 1");
  expect_refused(viridian_vhd_readv(disk, &odd, 1, 0, &error_), EINVAL, "length 511");
  expect_refused(viridian_vhd_readv(disk, &null, 1, 0, &error_), EFAULT, "iov_base");
  expect_refused(viridian_vhd_readv(disk, nullptr, 1, 0, &error_), EINVAL, "iov_count");
  expect_refused(viridian_vhd_readv(disk, &part, -1, 0, &error_), EINVAL, "iov_count");
  expect_refused(viridian_vhd_readv(disk, &part, 1025, 0, &error_), EINVAL, "iov_count");
  expect_refused(viridian_vhd_readv(disk, huge, 2, 0, &error_), EINVAL, "iov_len");
  expect_refused(viridian_vhd_readv(disk, &part, 1, kSize, &error_), ERANGE, "1048576");
  expect_refused(viridian_vhd_readv(disk, &part, 1, uint64_t{0} - 512, &error_), ERANGE, "offset");
  expect_refused(viridian_vhd_writev(disk, &part, 1, kSize, 0, &error_), ERANGE, "offset");
  expect_refused(viridian_vhd_writev(disk, &part, 1, 0, 2, &error_), EINVAL, "flags");
  expect_refused(viridian_vhd_discard(disk, 0, kSize + 512, &error_), ERANGE, "length");
  expect_refused(viridian_vhd_discard(disk, 100, 512, &error_), EINVAL, "offset");
  expect_refused(viridian_vhd_write_zeroes(disk, 512, uint64_t{0} - 512, &error_), ERANGE,
                 "length");
  EXPECT_EQ(viridian_vhd_readv(disk, nullptr, 0, 0, nullptr), 0);
  EXPECT_EQ(viridian_vhd_readv(disk, &part, 1, kSize - 512, nullptr), 0);
}

TEST_F(CapiArguments, RequestsThatAreNotValidStopABatchWhereTheyStand) {
  CapiDisk disk(path_);
  const iovec part = {memory_, 512};
  viridian_vhd_request good = {};
  good.op = VIRIDIAN_VHD_OP_READ;
  good.iov = &part;
  good.iov_count = 1;
  good.done = [](viridian_vhd_request* request, int result) {
    *static_cast<int*>(request->user) = result + 100;
  };
  int result = 0;
  good.user = &result;
  viridian_vhd_request bad = good;
  const auto submit_bad = [&] {
    viridian_vhd_request* list[] = {&bad};
    return viridian_vhd_submit(disk, list, 1, &error_);
  };
  bad.op = 99;
  expect_refused(submit_bad(), EINVAL, "op");
  bad = good;
  bad.flags = VIRIDIAN_VHD_FUA;
  expect_refused(submit_bad(), EINVAL, "flags");
  bad = good;
  bad.done = nullptr;
  expect_refused(submit_bad(), EINVAL, "done");
  bad = good;
  bad.offset = 3;
  expect_refused(submit_bad(), EINVAL, "offset");
  viridian_vhd_request* null_list[] = {nullptr};
  expect_refused(viridian_vhd_submit(disk, null_list, 1, &error_), EINVAL, "requests");
  expect_refused(viridian_vhd_submit(disk, nullptr, 1, &error_), EINVAL, "requests");
  expect_refused(viridian_vhd_submit(disk, null_list, -1, &error_), EINVAL, "count");

  viridian_vhd_request* list[] = {&good, &bad, &good};
  EXPECT_EQ(viridian_vhd_submit(disk, list, 3, &error_), 1);
  while (result == 0)
    ASSERT_GE(viridian_vhd_poll(disk, nullptr), 0);
  EXPECT_EQ(result, 100);
  // Outside of the disk is found by the disk, and told to done().
  result = 0;
  good.offset = kSize;
  EXPECT_EQ(viridian_vhd_submit(disk, list, 1, nullptr), 1);
  while (result == 0)
    ASSERT_GE(viridian_vhd_poll(disk, nullptr), 0);
  EXPECT_EQ(result, 100 - ERANGE);
}

TEST_F(CapiArguments, OptionsThatMakeNoSenseAreRefused) {
  viridian_vhd* disk = nullptr;
  const auto open_with = [&](auto change) {
    viridian_vhd_open_options options = open_options();
    change(options);
    return viridian_vhd_open(path_.c_str(), &options, &disk, &error_);
  };
  expect_refused(open_with([](auto& o) { o.struct_size = 0; }), EINVAL, "struct_size");
  expect_refused(open_with([](auto& o) { o.struct_size = 1 << 20; }), EINVAL, "struct_size");
  expect_refused(open_with([](auto& o) { o.flags = 1u << 31; }), EINVAL, "flags");
  expect_refused(open_with([](auto& o) { o.format = 9; }), EINVAL, "format");
  expect_refused(open_with([](auto& o) { o.queue_depth = 4097; }), EINVAL, "queue_depth");

  const auto create_with = [&](auto change) {
    viridian_vhd_create_options options = {};
    options.struct_size = sizeof(options);
    options.kind = VIRIDIAN_VHD_DYNAMIC;
    options.size_bytes = kSize;
    change(options);
    return viridian_vhd_create(folder_.file("new.vhd").c_str(), &options, &error_);
  };
  expect_refused(create_with([](auto& o) { o.kind = VIRIDIAN_VHD_RAW; }), EINVAL, "kind");
  expect_refused(create_with([](auto& o) { o.kind = VIRIDIAN_VHD_DIFFERENCING; }), EINVAL,
                 "parent");
  expect_refused(create_with([](auto& o) { o.parent = "x"; }), EINVAL, "parent");
  expect_refused(create_with([](auto& o) { o.size_bytes = 1000; }), EINVAL, "size");
  expect_refused(create_with([](auto& o) { o.block_size = 1000; }), EINVAL, "block size");
  expect_refused(create_with([](auto& o) { o.flags = VIRIDIAN_VHD_NO_LOCK; }), EINVAL, "flags");
  expect_refused(create_with([](auto& o) { o.parent_format = 9; }), EINVAL, "format");
  EXPECT_FALSE(std::filesystem::exists(folder_.file("new.vhd")));
}

TEST_F(CapiArguments, OlderCallersAreServedAndNewerOnesToldWhatIsMissing) {
  viridian_vhd* disk = nullptr;
  viridian_vhd_open_options older = open_options(VIRIDIAN_VHD_READ_ONLY);
  older.struct_size = 8;           // had no more than flags
  older.queue_depth = 0xffffffff;  // and something else behind them
  ASSERT_EQ(viridian_vhd_open(path_.c_str(), &older, &disk, &error_), 0) << error_.message;
  viridian_vhd_info info = {};
  info.struct_size = 8;
  info.size_bytes = 77;  // behind its end
  EXPECT_EQ(viridian_vhd_get_info(disk, &info, nullptr), 0);
  EXPECT_EQ(info.kind, uint32_t{VIRIDIAN_VHD_DYNAMIC});
  EXPECT_EQ(info.size_bytes, 77u);
  EXPECT_EQ(viridian_vhd_close(disk, nullptr), 0);

  struct {
    viridian_vhd_open_options known;
    uint64_t option;
  } newer = {open_options(), 0};
  newer.known.struct_size = sizeof(newer);
  ASSERT_EQ(viridian_vhd_open(path_.c_str(), &newer.known, &disk, &error_), 0) << error_.message;
  EXPECT_EQ(viridian_vhd_close(disk, nullptr), 0);
  newer.option = 1;
  expect_refused(viridian_vhd_open(path_.c_str(), &newer.known, &disk, &error_), E2BIG, "lacks");
  EXPECT_EQ(disk, nullptr);
}

}  // namespace
}  // namespace viridian::vhd
