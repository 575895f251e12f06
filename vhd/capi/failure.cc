#include "vhd/capi/failure.h"

#include <algorithm>
#include <cerrno>

namespace viridian::vhd::capi {
namespace {

int code_of(const Error& error) {
  if (error.error_number > 0) return error.error_number;
  switch (error.kind) {
    case ErrorKind::kInvalidArgument:
      return EINVAL;
    case ErrorKind::kNotFound:
      return ENOENT;
    case ErrorKind::kCorrupt:
      return EUCLEAN;
    case ErrorKind::kUnsupported:
      return EOPNOTSUPP;
    case ErrorKind::kLocked:
      return EBUSY;
    case ErrorKind::kMismatch:
      return ESTALE;
    case ErrorKind::kIo:
      break;
  }
  return EIO;
}

}  // namespace

tl::unexpected<Failure> failure_of(const Error& error) {
  return tl::unexpected<Failure>(Failure{code_of(error), error.message});
}

int code_of(io::IoStatus status) noexcept {
  switch (status) {
    case io::IoStatus::kOk:
      return 0;
    case io::IoStatus::kOutOfRange:
      return ERANGE;
    case io::IoStatus::kReadOnly:
      return EROFS;
    case io::IoStatus::kInvalid:
      return EINVAL;
    case io::IoStatus::kMediumError:
      return EIO;
    case io::IoStatus::kNoSpace:
      return ENOSPC;
    case io::IoStatus::kUnsupported:
      return EOPNOTSUPP;
    case io::IoStatus::kAborted:
      return ECANCELED;
  }
  return EIO;
}

int report(viridian_vhd_error* error, int code, const char* message) noexcept {
  if (error == nullptr) return -code;
  error->code = code;
  const size_t length = std::min(std::strlen(message), sizeof(error->message) - 1);
  std::memcpy(error->message, message, length);
  error->message[length] = '\0';
  return -code;
}

}  // namespace viridian::vhd::capi
