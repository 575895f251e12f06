// How an error of this library reaches a caller in C: as an errno and one line.
#pragma once

#include <viridian/vhd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "base/result.h"
#include "io/io_request.h"

namespace viridian::vhd::capi {

struct Failure {
  int code;  // a positive errno
  std::string message;
};
template <class T>
using Outcome = tl::expected<T, Failure>;

template <class... Args>
tl::unexpected<Failure> refuse(int code, fmt::format_string<Args...> text, Args&&... args) {
  return tl::unexpected<Failure>(Failure{code, fmt::format(text, std::forward<Args>(args)...)});
}

// Of a control-path error.
tl::unexpected<Failure> failure_of(const Error& error);
// Of a request that ended with something else than kOk.
int code_of(io::IoStatus status) noexcept;

// Fills `error`, which may be null, and returns -code.
int report(viridian_vhd_error* error, int code, const char* message) noexcept;

// Runs `work`, which returns an Outcome<int>, for a caller in C: no exception passes.
template <class Work>
int guarded(viridian_vhd_error* error, Work&& work) noexcept {
  try {
    const Outcome<int> outcome = work();
    if (!outcome) return report(error, outcome.error().code, outcome.error().message.c_str());
    report(error, 0, "");
    return *outcome;
  } catch (const std::bad_alloc&) {
    return report(error, ENOMEM, "out of memory");
  } catch (const std::exception& exception) {
    return report(error, EIO, exception.what());
  }
}

// Copies a structure of the caller's that may be older or newer than ours. What an older one lacks
// is zero; what a newer one has more must be.
template <class Options>
Outcome<Options> copy_options(const Options* given, const char* name) {
  Options options = {};
  options.struct_size = sizeof(Options);
  if (given == nullptr) return options;
  const uint32_t size = given->struct_size;
  if (size < sizeof(size) || size > 4096) {
    return refuse(EINVAL, "{}: struct_size: is {}; set it to sizeof(struct)", name, size);
  }
  // Bytes, for a structure whose end we may not know.
  const auto* bytes = static_cast<const unsigned char*>(static_cast<const void*>(given));
  for (size_t i = sizeof(Options); i < size; ++i) {
    if (bytes[i] != 0) return refuse(E2BIG, "{}: has options that this library lacks", name);
  }
  std::memcpy(static_cast<void*>(&options), bytes, size < sizeof(Options) ? size : sizeof(Options));
  return options;
}

// Fills a structure of the caller's, which is `size` bytes long by its own account.
template <class Answer>
Outcome<int> fill(Answer answer, Answer* out, uint32_t size, const char* name) {
  if (size < sizeof(size) || size > 4096) {
    return refuse(EINVAL, "{}: struct_size: is {}; set it to sizeof(struct)", name, size);
  }
  answer.struct_size = size;
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), &answer, size < sizeof(answer) ? size : sizeof(answer));
  return 0;
}

}  // namespace viridian::vhd::capi
