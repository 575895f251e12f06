#include <algorithm>
#include <array>

#include "base/checked.h"
#include "vhd/footer.h"
#include "vhd/repair_plan.h"

namespace viridian::vhd {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kScanBytes = 64u << 20;  // of the file's end, for a footer with data behind it
constexpr uint64_t kScanPiece = 1u << 20;

bool is_sparse(const Footer& footer) {
  return footer.disk_type.get() == kDiskTypeDynamic ||
         footer.disk_type.get() == kDiskTypeDifferencing;
}

bool same_image(const Footer& a, const Footer& b) {
  return a.unique_id == b.unique_id && a.disk_type == b.disk_type &&
         a.current_size == b.current_size;
}

class FooterRepair {
 public:
  FooterRepair(const FileView& file, const FoundFooters& found, const RepairChoices& choices,
               RepairPlan& plan)
      : file_(file), last_(found.last), copy_(found.copy), choices_(choices), plan_(plan) {}

  Result<std::optional<FooterCure>> run() {
    cure_.last_offset = last_.offset;
    cure_.remains = last_.state != FooterState::kAbsent && is_aligned(last_.offset, kSector);
    const bool copy_counts = copy_.state == FooterState::kValid && is_sparse(copy_.footer) &&
                             (last_.offset != 0 || last_.state == FooterState::kAbsent);
    if (last_.state == FooterState::kValid) {
      by_last();
    } else if (copy_counts) {
      cure_.footer = copy_.footer;
      write_last(lost_name(), fmt::format("the last one is {}", lost_text()));
      VIRIDIAN_TRY(look_before_tail());
    } else {
      const auto found = by_neither();
      if (!found) return Unexpected(found.error());
      if (!*found) return std::optional<FooterCure>();
    }
    reseal();
    return std::optional(cure_);
  }

 private:
  Flaw& flaw(std::string_view name, uint64_t offset, std::string text) {
    return add_flaw(plan_, name, "footer", offset, std::move(text));
  }
  void write_last(std::string_view name, std::string text) {
    cure_.write_last = true;
    cure_.last_name = name;
    flaw(name, last_.offset, std::move(text)).harmless = true;
  }
  void write_copy(std::string_view name, std::string text) {
    cure_.write_copy = true;
    cure_.copy_name = name;
    flaw(name, 0, std::move(text)).harmless = true;
  }

  void by_last() {
    cure_.footer = last_.footer;
    cure_.last_stands = true;
    if (last_.offset + sizeof(Footer) > file_.size_bytes)
      write_last("footer-short", "lacks its last byte, as images from before Virtual PC 2004 do");
    if (!is_sparse(last_.footer)) return;
    if (copy_.state == FooterState::kValid) return compare_copy();
    const bool absent = copy_.state == FooterState::kAbsent;
    write_copy(absent ? "footer-copy-missing" : "footer-copy-checksum",
               absent ? "has no copy at offset 0" : "the copy at offset 0 does not add up");
  }

  void compare_copy() {
    const Footer& copy = copy_.footer;
    if (last_.footer == copy) return;
    if (header_is_passing({last_, copy_})) {
      return write_copy("header-change-cut", "a change of the header was cut short");
    }
    const auto field = essential_difference(last_.footer, copy);
    if (field.empty()) {
      return write_copy("footer-copy-differs",
                        "the copy at offset 0 differs in a field of no "
                        "effect");
    }
    auto& found = flaw("footer-mismatch", 0,
                       fmt::format("{} differs between the last one and its copy at offset 0; both "
                                   "add up",
                                   field));
    if (choices_.footer == FooterChoice::kNone) {
      found.cure = Cure::kChoice;
      found.advice = "choose with --footer last or --footer copy";
    } else if (choices_.footer == FooterChoice::kLast) {
      cure_.write_copy = true;
      cure_.copy_name = found.name;
    } else {
      cure_.footer = copy;
      cure_.write_last = true;
      cure_.last_name = found.name;
    }
  }

  std::string_view lost_name() const {
    if (last_.state == FooterState::kPoisoned) return "footer-poisoned";
    return last_.state == FooterState::kBadChecksum ? "footer-checksum" : "footer-missing";
  }
  std::string_view lost_text() const {
    if (last_.state == FooterState::kPoisoned) return "Xen's mark of an image in use or disabled";
    return last_.state == FooterState::kBadChecksum ? "damaged: its checksum is wrong" : "missing";
  }

  // Finds the footer of this image, or of any if there is none, with something behind it.
  Result<void> look_before_tail() {
    if (last_.state != FooterState::kAbsent) return {};
    const auto at = find_before_tail(&cure_.footer);
    if (!at) return Unexpected(at.error());
    if (!*at) return {};
    cure_.cut_at = **at;
    auto& one = plan_.flaws.back();
    one.name = cure_.last_name = "trailing-data";
    one.offset = **at + sizeof(Footer);
    one.text = fmt::format("{} bytes of unknown meaning follow the last footer",
                           file_.size_bytes - one.offset);
    return {};
  }

  Result<std::optional<uint64_t>> find_before_tail(Footer* wanted) {
    std::vector<std::byte> piece(kScanPiece);
    const uint64_t stop = file_.size_bytes - std::min(file_.size_bytes, kScanBytes);
    uint64_t end = align_down(file_.size_bytes, kSector);
    while (end > stop && end > kSector) {
      const uint64_t begin = end - std::min(end, kScanPiece);
      const auto bytes = std::span(piece).first(end - begin);
      VIRIDIAN_TRY(read_exact(file_, begin, bytes, "end of the file"));
      for (size_t at = bytes.size(); at >= kSector; at -= kSector) {
        const uint64_t offset = begin + at - kSector;
        if (offset == 0) break;
        const auto one = judge_footer(bytes.subspan(at - kSector, kSector), offset);
        if (one.state != FooterState::kValid) continue;
        const bool good = wanted != nullptr && wanted->cookie == kFooterCookie
                              ? same_image(*wanted, one.footer)
                              : is_sparse(one.footer) || one.footer.current_size <= offset;
        if (!good) continue;
        if (wanted != nullptr) *wanted = one.footer;
        return std::optional(offset);
      }
      end = begin;
    }
    return std::optional<uint64_t>();
  }

  // Without any good footer. False if there is nothing to go by.
  Result<bool> by_neither() {
    if (last_.state == FooterState::kBadChecksum) {
      if (resealable()) return true;
    } else if (last_.state == FooterState::kPoisoned) {
      auto made = new_fixed_footer();
      if (!made || *made) return made;
    } else {
      const auto at = find_before_tail(&cure_.footer);
      if (!at) return Unexpected(at.error());
      if (*at) return before_tail(**at);
    }
    auto& found =
        flaw(last_.state == FooterState::kAbsent ? "footer-missing" : lost_name(), last_.offset,
             fmt::format("the last one is {}, and there is no good copy at offset 0", lost_text()));
    found.cure = Cure::kNone;
    found.advice =
        "restore the image from a good copy; if it was a fixed one, its bytes are a raw "
        "image: convert it with --format raw";
    return false;
  }

  // The same bytes twice, or a fixed disk's footer that makes sense: only the checksum is wrong.
  bool resealable() {
    const Footer& footer = last_.footer;
    const bool twice = copy_.state == FooterState::kBadChecksum && copy_.footer == footer;
    const bool fixed = footer.disk_type.get() == kDiskTypeFixed &&
                       footer.data_offset.get() == kNoOffset &&
                       footer.current_size <= last_.offset && footer.current_size.get() != 0;
    if (footer.file_format_version.get() != kFormatVersion ||
        (is_sparse(footer) ? !twice : !fixed)) {
      return false;
    }
    cure_.footer = footer;
    cure_.last_stands = true;
    cure_.write_last = true;
    cure_.write_copy = is_sparse(footer);
    cure_.last_name = cure_.copy_name = "footer-checksum";
    flaw("footer-checksum", last_.offset, "its checksum is wrong, and all else makes sense");
    return true;
  }

  // A fixed disk of Xen's: what was in the footer follows from the file's size.
  Result<bool> new_fixed_footer() {
    const uint64_t size = last_.offset;
    Cookie cookie{};
    if (size < sizeof(Footer) + sizeof(Cookie) || !is_aligned(size, kSector)) return false;
    VIRIDIAN_TRY(
        read_exact(file_, sizeof(Footer), std::as_writable_bytes(std::span(cookie)), "header"));
    if (cookie == kHeaderCookie) return false;
    cure_.footer = make_footer(kDiskTypeFixed, size, random_unique_id());
    cure_.last_stands = true;
    cure_.write_last = true;
    cure_.last_name = "footer-poisoned";
    flaw("footer-poisoned", last_.offset,
         "is Xen's mark of a fixed image in use: a new footer, with a new unique id, follows from "
         "the file's size");
    return true;
  }

  bool before_tail(uint64_t at) {
    cure_.cut_at = at;
    cure_.last_offset = at;
    cure_.last_stands = true;
    cure_.write_last = true;
    cure_.last_name = "trailing-data";
    const bool sparse = is_sparse(cure_.footer);
    auto& found = flaw("trailing-data", at + sizeof(Footer),
                       fmt::format("{} bytes of unknown meaning follow the last footer",
                                   file_.size_bytes - at - sizeof(Footer)));
    // A guest may have written that footer into its own disk.
    if (!sparse && !choices_.cut_tail) {
      found.cure = Cure::kChoice;
      found.advice = "if the disk has " + std::to_string(at) + " bytes, allow it with --cut-tail";
    }
    if (sparse) write_copy("footer-copy-missing", "has no good copy at offset 0");
    return true;
  }

  // Xen's old tools set the hidden flag without a new checksum.
  void reseal() {
    if (compute_checksum(cure_.footer) == cure_.footer.checksum.get()) return;
    seal(cure_.footer);
    if (cure_.last_name == "footer-checksum") return;
    write_last("footer-checksum", "its checksum does not cover the hidden flag");
    if (is_sparse(cure_.footer)) {
      cure_.write_copy = true;
      cure_.copy_name = "footer-checksum";
    }
  }

  const FileView& file_;
  const FooterCandidate& last_;
  const FooterCandidate& copy_;
  const RepairChoices& choices_;
  RepairPlan& plan_;
  FooterCure cure_;
};

}  // namespace

Result<std::optional<FooterCure>> cure_footers(const FileView& file, const RepairChoices& choices,
                                               RepairPlan& plan) {
  const auto found = find_footers(file);
  if (!found) return Unexpected(found.error());
  return FooterRepair(file, *found, choices, plan).run();
}

}  // namespace viridian::vhd
