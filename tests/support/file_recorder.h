// Records what this process does by system calls to the files of one folder, names included, and
// fails chosen calls: for the operations that work on files without the engine (create, snapshot,
// resize, compact ...). crash_states.h makes of the record every state that a power cut could
// leave.
//
// Linking file_recorder.cc puts its own pwrite(), ftruncate(), fallocate(), fsync(), rename() and
// their like before the C library's. What io_uring, copy_file_range() or a mapping change is not
// seen: the first is MemoryFile's part, the others do not go through and end with ENOSYS.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/change_log.h"

namespace viridian {

// A file as it was when the recorder came; number n in the log is files()[n].
struct RecordedFile {
  std::string name;  // in the folder; empty: it was not there yet
  std::vector<std::byte> before;
};

class FileRecorder {
 public:
  // One at a time in a process. Files directly in `folder` only.
  explicit FileRecorder(const std::filesystem::path& folder);
  FileRecorder(const FileRecorder&) = delete;
  FileRecorder& operator=(const FileRecorder&) = delete;
  ~FileRecorder();

  const io::ChangeLog& log() const;
  const std::vector<RecordedFile>& files() const;

  // Of the calls that change or sync something, the one after the next `passing` fails.
  void fail(int error, unsigned passing);
  unsigned calls() const;   // that change or sync something, up to now
  bool has_failed() const;  // a call was made to fail
};

}  // namespace viridian
