// Result<T>: what set-up and control paths return. The data path uses status bytes instead.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace viridian {

// Why an operation failed: a kind that a program can act on (and an exit code can be made of)
// and one line for a person that names the thing, its field and the cure.
enum class ErrorKind : uint8_t {
  kInvalidArgument,  // the caller's request makes no sense
  kNotFound,         // a file or a parent is not there
  kCorrupt,          // bytes that break their format
  kUnsupported,      // a valid request or format that this build or machine cannot serve
  kLocked,           // another process uses the image
  kMismatch,         // a parent or peer is not the one that was meant
  kIo,               // the operating system said no
};

struct Error {
  ErrorKind kind;
  std::string message;
  int error_number = 0;  // the errno that it comes from, if it comes from one
};

template <class T>
using Result = tl::expected<T, Error>;

using Unexpected = tl::unexpected<Error>;

// fail(kind, "{}: checksum is {:#x}", name, sum): a formatted Error, ready to be returned.
template <class... Args>
Unexpected fail(ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  return Unexpected(Error{kind, fmt::format(text, std::forward<Args>(args)...)});
}

// The same for a failed system call: "`what`: No such file or directory". `error_number` > 0.
Unexpected fail_errno(std::string_view what, int error_number);

// Prefixes the message of `error`: "`context`: message".
Unexpected with_context(std::string_view context, Error error);

}  // namespace viridian

// Returns the error of `expression` (a Result) to the caller, or goes on.
#define VIRIDIAN_TRY(expression)                                             \
  do {                                                                       \
    if (auto viridian_try_result = (expression); !viridian_try_result) {     \
      return ::viridian::Unexpected(std::move(viridian_try_result).error()); \
    }                                                                        \
  } while (false)
