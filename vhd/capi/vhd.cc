// The functions of viridian/vhd.h: each checks its pointers, and lets no exception out.
#include <viridian/vhd.h>

#include <fcntl.h>

#include <cerrno>

#include "vhd/capi/handle.h"
#include "vhd/create.h"
#include "vhd/lock.h"

struct viridian_vhd {
  std::unique_ptr<viridian::vhd::capi::Handle> handle;
};

namespace viridian::vhd::capi {
namespace {

constexpr uint32_t kCreateFlags =
    VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE | VIRIDIAN_VHD_REPLACE | VIRIDIAN_VHD_PREALLOCATE;

Outcome<Handle*> handle_of(viridian_vhd* disk) {
  if (disk == nullptr) return refuse(EINVAL, "disk: is NULL");
  return disk->handle.get();
}

Outcome<int> check_path(const char* path) {
  if (path != nullptr && *path != '\0') return 0;
  return refuse(EINVAL, "path: is {}", path == nullptr ? "NULL" : "empty");
}

// For functions on a handle.
template <class Work>
int with_handle(viridian_vhd* disk, viridian_vhd_error* error, Work&& work) noexcept {
  return guarded(error, [&]() -> Outcome<int> {
    const auto handle = handle_of(disk);
    if (!handle) return tl::unexpected<Failure>(handle.error());
    return work(**handle);
  });
}

int run_range(viridian_vhd* disk, io::IoOp op, uint64_t offset, uint64_t length,
              viridian_vhd_error* error) noexcept {
  return with_handle(disk, error, [&](Handle& handle) {
    io::IoRequest request;
    request.op = op;
    const auto set = set_range(request, offset, length);
    return set ? handle.run(request) : set;
  });
}

int run_data(viridian_vhd* disk, io::IoOp op, const iovec* iov, int iov_count, uint64_t offset,
             bool fua, viridian_vhd_error* error) noexcept {
  return with_handle(disk, error, [&](Handle& handle) {
    io::IoRequest request;
    request.op = op;
    request.fua = fua;
    const auto set = set_data(request, iov, iov_count, offset);
    return set ? handle.run(request) : set;
  });
}

Result<void> create(const std::string& path, const viridian_vhd_create_options& options,
                    Format parent_format) {
  CreateOptions create;
  create.size_bytes = options.size_bytes;
  if (options.block_size != 0) create.block_size = options.block_size;
  create.replace = (options.flags & VIRIDIAN_VHD_REPLACE) != 0;
  create.preallocate = (options.flags & VIRIDIAN_VHD_PREALLOCATE) != 0;
  if (create.replace) VIRIDIAN_TRY(refuse_if_locked(path, O_RDWR, LockMode::kWrite));
  if (options.kind == VIRIDIAN_VHD_FIXED) return create_fixed(path, create);
  if (options.kind == VIRIDIAN_VHD_DYNAMIC) return create_dynamic(path, create);
  // A parent that changes under its child makes the child worthless.
  VIRIDIAN_TRY(refuse_if_locked(options.parent, O_RDONLY, LockMode::kRead));
  OpenPolicy policy;
  policy.format = parent_format;
  policy.allow_parent_outside = (options.flags & VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE) != 0;
  return create_differencing(path, options.parent, create, policy);
}

Outcome<int> checked_create(const char* path, const viridian_vhd_create_options* given) {
  if (auto ok = check_path(path); !ok) return ok;
  if (given == nullptr) return refuse(EINVAL, "create_options: is NULL");
  const auto options = copy_options(given, "create_options");
  if (!options) return tl::unexpected<Failure>(options.error());
  if ((options->flags & ~kCreateFlags) != 0 || options->reserved != 0) {
    return refuse(EINVAL, "create_options: flags: {:#x} are unknown",
                  options->flags & ~kCreateFlags);
  }
  const bool child = options->kind == VIRIDIAN_VHD_DIFFERENCING;
  if (!child && options->kind != VIRIDIAN_VHD_FIXED && options->kind != VIRIDIAN_VHD_DYNAMIC) {
    return refuse(EINVAL, "create_options: kind: {} is unknown", options->kind);
  }
  if (child != (options->parent != nullptr)) {
    return refuse(EINVAL,
                  "create_options: parent: belongs to a differencing image, and only there");
  }
  const auto format = format_of(options->parent_format);
  if (!format) return tl::unexpected<Failure>(format.error());
  if (const auto made = create(path, *options, *format); !made) return failure_of(made.error());
  return 0;
}

}  // namespace
}  // namespace viridian::vhd::capi

using viridian::io::IoOp;
using viridian::vhd::capi::check_path;
using viridian::vhd::capi::checked_create;
using viridian::vhd::capi::copy_options;
using viridian::vhd::capi::Failure;
using viridian::vhd::capi::fill;
using viridian::vhd::capi::guarded;
using viridian::vhd::capi::Handle;
using viridian::vhd::capi::Outcome;
using viridian::vhd::capi::refuse;
using viridian::vhd::capi::report;
using viridian::vhd::capi::run_data;
using viridian::vhd::capi::run_range;
using viridian::vhd::capi::with_handle;

int viridian_vhd_open(const char* path, const viridian_vhd_open_options* options,
                      viridian_vhd** disk, viridian_vhd_error* error) {
  return guarded(error, [&]() -> Outcome<int> {
    if (disk == nullptr) return refuse(EINVAL, "disk: is NULL");
    *disk = nullptr;
    if (auto ok = check_path(path); !ok) return ok;
    const auto copied = copy_options(options, "open_options");
    if (!copied) return tl::unexpected<Failure>(copied.error());
    auto handle = Handle::open(path, *copied);
    if (!handle) return tl::unexpected<Failure>(handle.error());
    *disk = new viridian_vhd{std::move(*handle)};
    return 0;
  });
}

int viridian_vhd_open_queue(viridian_vhd* disk, const viridian_vhd_queue_options* options,
                            viridian_vhd** out, viridian_vhd_error* error) {
  return with_handle(disk, error, [&](Handle& handle) -> Outcome<int> {
    if (out == nullptr) return refuse(EINVAL, "out: is NULL");
    *out = nullptr;
    const auto copied = copy_options(options, "queue_options");
    if (!copied) return tl::unexpected<Failure>(copied.error());
    auto made = handle.open_queue(*copied);
    if (!made) return tl::unexpected<Failure>(made.error());
    *out = new viridian_vhd{std::move(*made)};
    return 0;
  });
}

int viridian_vhd_close(viridian_vhd* disk, viridian_vhd_error* error) {
  return guarded(error, [&]() -> Outcome<int> {
    if (disk == nullptr) return 0;
    bool gone = false;
    auto outcome = disk->handle->close(gone);
    if (gone) delete disk;
    return outcome;
  });
}

int viridian_vhd_get_info(viridian_vhd* disk, viridian_vhd_info* info, viridian_vhd_error* error) {
  return with_handle(disk, error, [&](Handle& handle) -> Outcome<int> {
    if (info == nullptr) return refuse(EINVAL, "info: is NULL");
    const uint32_t size = info->struct_size;
    auto found = handle.info();
    if (!found) return tl::unexpected<Failure>(found.error());
    return fill(found.value(), info, size, "info");
  });
}

int viridian_vhd_readv(viridian_vhd* disk, const iovec* iov, int iov_count, uint64_t offset,
                       viridian_vhd_error* error) {
  return run_data(disk, IoOp::kRead, iov, iov_count, offset, false, error);
}

int viridian_vhd_writev(viridian_vhd* disk, const iovec* iov, int iov_count, uint64_t offset,
                        uint32_t flags, viridian_vhd_error* error) {
  if ((flags & ~static_cast<uint32_t>(VIRIDIAN_VHD_FUA)) != 0) {
    return report(error, EINVAL, "flags: some are unknown");
  }
  return run_data(disk, IoOp::kWrite, iov, iov_count, offset, flags != 0, error);
}

int viridian_vhd_flush(viridian_vhd* disk, viridian_vhd_error* error) {
  return run_range(disk, IoOp::kFlush, 0, 0, error);
}

int viridian_vhd_discard(viridian_vhd* disk, uint64_t offset, uint64_t length,
                         viridian_vhd_error* error) {
  return run_range(disk, IoOp::kDiscard, offset, length, error);
}

int viridian_vhd_write_zeroes(viridian_vhd* disk, uint64_t offset, uint64_t length,
                              viridian_vhd_error* error) {
  return run_range(disk, IoOp::kWriteZeroes, offset, length, error);
}

int viridian_vhd_submit(viridian_vhd* disk, viridian_vhd_request* const* requests, int count,
                        viridian_vhd_error* error) {
  return with_handle(disk, error, [&](Handle& handle) { return handle.submit(requests, count); });
}

int viridian_vhd_fd(viridian_vhd* disk, viridian_vhd_error* error) {
  return with_handle(disk, error, [](Handle& handle) { return handle.fd(); });
}

int viridian_vhd_poll(viridian_vhd* disk, viridian_vhd_error* error) {
  return with_handle(disk, error, [](Handle& handle) { return handle.poll(); });
}

int viridian_vhd_explain(viridian_vhd* disk, const viridian_vhd_request* request, int result,
                         viridian_vhd_error* error) {
  Failure failure{0, ""};
  const int told = with_handle(disk, error, [&](Handle& handle) -> Outcome<int> {
    if (request == nullptr) return refuse(EINVAL, "request: is NULL");
    auto explained = handle.explain(*request, result);
    if (!explained) return tl::unexpected<Failure>(explained.error());
    failure = std::move(*explained);
    return 0;
  });
  if (told == 0) report(error, failure.code, failure.message.c_str());
  return told;
}

int viridian_vhd_create(const char* path, const viridian_vhd_create_options* options,
                        viridian_vhd_error* error) {
  return guarded(error, [&] { return checked_create(path, options); });
}

int viridian_vhd_snapshot(viridian_vhd* disk, const char* path, viridian_vhd_error* error) {
  return with_handle(disk, error, [&](Handle& handle) -> Outcome<int> {
    if (auto ok = check_path(path); !ok) return ok;
    return handle.snapshot(path);
  });
}

const char* viridian_vhd_version() { return VIRIDIAN_VERSION; }
