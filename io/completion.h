// The unit of asynchronous work: something that will be run once, on a reactor's thread.
//
// The owner embeds a Completion in its request, keeps it alive and unmoved until `run` is called,
// and may start it again from there. A Completion is in at most one place at a time.
#pragma once

#include <boost/intrusive/slist.hpp>
#include <cstdint>

namespace viridian::io {

namespace detail {
using ReadyHook =
    boost::intrusive::slist_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>;
}

struct Completion : detail::ReadyHook {
  using Run = void (*)(Completion&) noexcept;

  explicit Completion(Run callback = nullptr) : run(callback) {}

  Run run;
  int32_t result = 0;                // of the kernel's operation: its value, or -errno
  Completion* inbox_next = nullptr;  // while posted from another thread
};

}  // namespace viridian::io
