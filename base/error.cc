#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace viridian {

Unexpected fail_errno(std::string_view what, int error_number) {
  const ErrorKind kind = error_number == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo;
  Unexpected error = fail(kind, "{}: {}", what, ::strerrordesc_np(error_number));
  error.value().error_number = error_number;
  return error;
}

Unexpected with_context(std::string_view context, Error error) {
  error.message = fmt::format("{}: {}", context, error.message);
  return Unexpected(std::move(error));
}

}  // namespace viridian
