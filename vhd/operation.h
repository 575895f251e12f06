// A request on its way through a disk, and the file operations that it is made of. Both come from
// fixed pools of the disk; one that lacks something waits on an intrusive list.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/slist.hpp>

#include "io/block_device.h"
#include "io/file.h"

namespace viridian::vhd {

struct BitmapSlot;
class ChainDisk;

struct Operation : io::Completion, boost::intrusive::list_base_hook<> {
  ChainDisk* disk = nullptr;
  io::IoRequest* request = nullptr;
  uint64_t sector = 0;  // the next one to be looked at
  uint64_t end = 0;
  // What is known of a read's next sectors: the layers above this one do not have them. Each bitmap
  // brings a read on then, even if the cache cannot hold all those that it needs at once.
  uint32_t layer = 0;
  uint64_t known_sectors = 0;  // how many; 0: nothing is known
  size_t part = 0;             // where `sector` is in request->data: the iovec,
  size_t skip = 0;             // and the byte of it
  uint64_t sequence = 0;       // in the order of start
  uint32_t outstanding = 0;    // fragments
  bool parked = false;         // on a list; whoever takes it from there goes on with it
  bool needs_commit = false;
  io::IoStatus status = io::IoStatus::kOk;
};

struct Fragment : io::FileRequest {
  ChainDisk* disk = nullptr;
  Operation* operation = nullptr;  // none: the load of a bitmap
  BitmapSlot* slot = nullptr;      // pinned: to be loaded, or to get the bits of what is written
  uint64_t sector = 0;
  uint32_t sectors = 0;
  uint32_t place = 0;  // of the block when the fragment was started
  iovec memory = {};   // of a bitmap
};

using WaitList = boost::intrusive::slist<io::Completion, boost::intrusive::cache_last<true>,
                                         boost::intrusive::constant_time_size<false>>;
using InFlightList = boost::intrusive::list<Operation, boost::intrusive::constant_time_size<false>>;

// Takes the first of `list`, which holds operations only.
inline Operation& take_first(WaitList& list) noexcept {
  auto& operation = static_cast<Operation&>(list.front());
  list.pop_front();
  operation.parked = false;
  return operation;
}

inline void park(WaitList& list, Operation& operation) noexcept {
  operation.parked = true;
  list.push_back(operation);
}

}  // namespace viridian::vhd
