#include "vhd/header_update.h"

#include <algorithm>

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/footer_search.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;

Result<void> write_durably(io::File& file, uint64_t offset, std::span<const std::byte> bytes) {
  VIRIDIAN_TRY(file.write_at(offset, bytes));
  return file.sync();
}

// Between the first step and the second it is the only one.
Result<void> expect_footer_at_start(io::File& file) {
  Footer footer;
  const auto bytes = std::as_writable_bytes(std::span(&footer, 1));
  const auto length = file.read_at(0, bytes);
  if (!length) return Unexpected(length.error());
  if (judge_footer(bytes, 0).state == FooterState::kValid) return {};
  return fail(ErrorKind::kCorrupt, "{}: footer: the copy at offset 0 is damaged; repair the image",
              file.name());
}

}  // namespace

Result<void> update_header(io::File& file, HeaderUpdate update) {
  seal(update.header);
  seal(update.footer);
  VIRIDIAN_TRY(expect_footer_at_start(file));
  const auto size = file.size();
  if (!size) return Unexpected(size.error());
  const uint64_t final_size = update.footer_offset + sizeof(Footer);
  const uint64_t appended = align_up(std::max(*size, final_size), kSector);
  Footer passing = update.footer;
  passing.data_offset = appended;
  seal(passing);

  VIRIDIAN_TRY(write_durably(file, appended, wire_bytes(update.header)));
  VIRIDIAN_TRY(write_durably(file, appended + sizeof(SparseHeader), wire_bytes(passing)));
  VIRIDIAN_TRY(write_durably(file, 0, wire_bytes(passing)));
  VIRIDIAN_TRY(write_durably(file, update.footer.data_offset, wire_bytes(update.header)));
  VIRIDIAN_TRY(file.write_at(update.footer_offset, wire_bytes(update.footer)));
  VIRIDIAN_TRY(write_durably(file, 0, wire_bytes(update.footer)));
  VIRIDIAN_TRY(file.resize(final_size));
  return file.sync();
}

}  // namespace viridian::vhd
