#include "vhd/parent_paths.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace viridian::vhd {
namespace {

bool has_drive(std::string_view path) {
  return path.size() >= 2 && path[1] == ':' && std::isalpha(static_cast<unsigned char>(path[0]));
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::string with_slashes(std::string_view path) {
  std::string out(path);
  std::replace(out.begin(), out.end(), '\\', '/');
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

void add(std::vector<ParentCandidate>& list, std::string_view source, std::string path) {
  const bool known = std::any_of(list.begin(), list.end(),
                                 [&](const ParentCandidate& one) { return one.path == path; });
  // A NUL would cut the path short in the kernel.
  if (path.empty() || known || path.find('\0') != std::string::npos) return;
  list.push_back({std::string(source), std::move(path)});
}

}  // namespace

std::vector<ParentCandidate> parent_candidates(const Image& child, const OpenPolicy& policy) {
  std::vector<ParentCandidate> list;
  const auto each = [&](uint32_t code, auto&& use) {
    for (const Locator& locator : child.locators) {
      if (locator.platform_code == code) use(locator.path);
    }
  };
  each(kLocatorW2ru, [&](const std::string& path) { add(list, "W2ru", with_slashes(path)); });
  add(list, "same folder", std::string(file_name_of(child.parent_name)));
  each(kLocatorMacX, [&](const std::string& url) {
    if (auto path = posix_from_file_url(url)) add(list, "MacX", *path);
    // Xen's tools write the path into the URL as it is, so a '%' may be meant.
    if (url.starts_with("file:///")) add(list, "MacX", url.substr(7));
  });
  each(kLocatorW2ku, [&](const std::string& path) {
    add(list, "W2ku", posix_from_windows(path, policy));
    add(list, "same folder", std::string(file_name_of(path)));
  });
  add(list, "parent_unicode_name", posix_from_windows(child.parent_name, policy));
  return list;
}

std::string posix_from_windows(std::string_view path, const OpenPolicy& policy) {
  if (!has_drive(path)) return with_slashes(path);
  std::string rest = with_slashes(path.substr(2));
  for (const Drive& drive : policy.drives) {
    if (lower(drive.letter) == lower(path[0])) return drive.folder + "/" + rest;
  }
  return rest;
}

std::optional<std::string> posix_from_file_url(std::string_view url) {
  constexpr std::string_view kScheme = "file://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const size_t slash = url.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return percent_decoded(url.substr(slash));
}

std::string_view file_name_of(std::string_view path) {
  const size_t separator = path.find_last_of("/\\:");
  return separator == std::string_view::npos ? path : path.substr(separator + 1);
}

std::string windows_from_posix(std::string_view path) {
  std::string out(path);
  std::replace(out.begin(), out.end(), '/', '\\');
  return (path.starts_with('/') ? "C:" : ".\\") + out;
}

}  // namespace viridian::vhd
