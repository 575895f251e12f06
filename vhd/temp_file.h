// A new file under a temporary name beside its final one: complete() gives it the final name, and
// without that it is removed. So a file of the final name is always whole.
#pragma once

#include <string>

#include "base/result.h"
#include "io/unique_fd.h"

namespace viridian::vhd {

class TempFile {
 public:
  // `replace`: an existing file at `final_path` gives way; kInvalidArgument otherwise.
  static Result<TempFile> create(const std::string& final_path, bool replace);
  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&&) = delete;
  ~TempFile();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  const std::string& final_path() const { return final_path_; }

  // Durable when it returns. After an error the file may or may not have its name.
  Result<void> complete();

 private:
  TempFile() = default;
  Result<void> give_final_name();

  UniqueFd fd_;
  std::string path_;  // empty once it is complete
  std::string final_path_;
  bool replace_ = false;
};

}  // namespace viridian::vhd
