// What was done to files, in order: from it every state that a power cut could leave can be made
// (tests/crash/crash_states.h). For tests; filled by MemoryFile and by tests/support/file_recorder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace viridian::io {

class ChangeLog {
 public:
  enum class Change : uint8_t {
    kWrite,
    kZero,  // never beyond the file's end
    kResize,
    kSync,
    kLink,  // `file` gets `name`, which replaces what had it
    kUnlink,
    kRename,     // what is `name` gets `new_name`
    kSyncNames,  // of the folder
  };
  struct Operation {
    Change change;
    uint32_t file = 0;
    uint64_t offset = 0;  // kResize: the new size
    uint64_t length = 0;
    std::vector<std::byte> bytes = {};  // kWrite
    bool durable = false;               // kWrite: on the disk when it is done
    std::string name = {};
    std::string new_name = {};

    bool is_sync() const { return change == Change::kSync || change == Change::kSyncNames; }
    bool is_of_names() const { return change >= Change::kLink; }
  };
  // An operation may reach the disk as soon as it is submitted; a sync that is submitted after an
  // operation was done, and is done itself, makes sure that it did.
  struct Event {
    size_t operation;
    bool done;
  };

  size_t submit(Operation operation) {
    operations_.push_back(std::move(operation));
    events_.push_back({operations_.size() - 1, false});
    return operations_.size() - 1;
  }
  void done(size_t operation) { events_.push_back({operation, true}); }

  const std::vector<Operation>& operations() const { return operations_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  std::vector<Operation> operations_;
  std::vector<Event> events_;
};

}  // namespace viridian::io
