// A new file that has no name until it is complete: complete() gives it its final name, and without
// that nothing of it stays. So a file of the final name is always whole.
//
// Where the file system knows O_TMPFILE the file is nameless until then, and even a killed process
// leaves nothing. Elsewhere it has a hidden name beside the final one, ".NAME.NUMBER.tmp".
#pragma once

#include <string>

#include "base/result.h"
#include "io/unique_fd.h"

namespace viridian::vhd {

enum class Durability : uint8_t {
  kDurable,  // the file and its name survive a power cut from then on
  kOrdered,  // a power cut may take the file away, but never leaves a part of it: its bytes are on
             // the disk before its name (ext4 in ordered mode, XFS, btrfs). Costs no flush
  kNone,     // a power cut may leave a part of the file under its name
};

class TempFile {
 public:
  // `replace`: an existing file at `final_path` gives way; kInvalidArgument otherwise.
  static Result<TempFile> create(const std::string& final_path, bool replace);
  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&&) = delete;
  ~TempFile();

  int fd() const { return fd_.get(); }
  // Opens the file once more, while fd() is open: its hidden name, or one in /proc.
  const std::string& path() const { return path_; }
  const std::string& final_path() const { return final_path_; }

  // After an error the file may or may not have its name.
  Result<void> complete(Durability durability = Durability::kDurable);

 private:
  TempFile() = default;
  bool open_nameless();
  Result<void> open_hidden();
  Result<void> give_hidden_name();
  Result<void> give_final_name();

  UniqueFd fd_;
  std::string path_;
  bool has_hidden_name_ = false;  // path_ is to be removed
  std::string final_path_;
  bool replace_ = false;
};

}  // namespace viridian::vhd
