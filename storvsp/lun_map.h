// The logical units behind one controller, and what is said where there is none.
//
// Linux scans path 0 to 7, target 0 and 1, and takes whatever answers an INQUIRY with success for
// a disk, since its driver turns the failure of one into success. So an absent unit answers with
// "nothing can be connected here" and a length, and an absent target lists no units.
#pragma once

#include <array>
#include <memory>

#include "storvsp/limits.h"
#include "storvsp/scsi_request.h"

namespace viridian::storvsp {

struct Lun {
  std::unique_ptr<LogicalUnit> unit;
  uint32_t in_flight = 0;
  io::Completion* removal = nullptr;  // being removed: no new requests
};

class LunMap {
 public:
  explicit LunMap(io::Reactor& reactor) : reactor_(reactor) {}

  // kInvalidArgument if the number is out of range or taken.
  Result<void> add(uint32_t number, std::unique_ptr<LogicalUnit> unit);

  // `done` runs when no request is in the unit any more and it is destroyed.
  Result<void> remove(uint32_t number, io::Completion& done);

  Lun* find(uint32_t number) noexcept;

  void begin(Lun& lun) noexcept { ++lun.in_flight; }
  void end(Lun& lun) noexcept;  // REQUIRES: the request does not touch the unit any more

  // SPC-4 6.33. `here`: the request is for the target that these units are on.
  void report(ScsiRequest& request, bool here) noexcept;

  // INQUIRY of a unit that is not there: SPC-4 6.6.2, peripheral qualifier 3.
  void inquire_absent(ScsiRequest& request) noexcept;

 private:
  void finish_removal(Lun& lun) noexcept;

  io::Reactor& reactor_;
  std::array<Lun, kMaxLuns> luns_;
};

}  // namespace viridian::storvsp
