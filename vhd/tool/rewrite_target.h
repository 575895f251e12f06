// What the commands that rewrite an image in place share: the image, locked for writing, and the
// images that depend on it.
#pragma once

#include <memory>
#include <optional>

#include "io/uring_file.h"
#include "vhd/image.h"
#include "vhd/lock.h"
#include "vhd/rewriter.h"
#include "vhd/tool/progress.h"

namespace viridian::vhd::tool {

struct RewriteTarget {
  std::unique_ptr<io::Reactor> reactor;
  std::unique_ptr<io::UringFile> file;
  ImageLock lock;  // taken away before the file is closed
  Image image;
};

// Nobody else has the image open meanwhile. kUnsupported for a block device, whose size is fixed.
Result<RewriteTarget> open_for_rewriting(const std::string& path, const OpenPolicy& policy);

// kLocked, with the children's names, if there are any in the image's folder. `but_not`: a child
// that may be there.
Result<void> refuse_if_parent(const std::string& path, const std::string& what_happens,
                              const std::string& but_not = {});

// Shows how far an operation is, and stops it on an interrupt.
class Meter {
 public:
  GoOn go_on();

 private:
  std::optional<Progress> progress_;
  uint64_t total_bytes_ = 0;
};

}  // namespace viridian::vhd::tool
