#include "vhd/tool/server_messages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

namespace viridian::vhd::tool {
namespace {

constexpr size_t kMaxBytes = 4096;  // of what a server says

}  // namespace

void ServerMessages::begin() {
  kept_ = UniqueFd(::memfd_create("server messages", MFD_CLOEXEC));
  saved_ = UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  if (kept_ && saved_) ::dup2(kept_.get(), STDERR_FILENO);
}

void ServerMessages::end() {
  if (kept_ && saved_) ::dup2(saved_.get(), STDERR_FILENO);
  saved_ = UniqueFd();
}

std::string ServerMessages::last_line() const {
  if (!kept_) return {};
  std::array<char, kMaxBytes> bytes{};
  const ssize_t n = ::pread(kept_.get(), bytes.data(), bytes.size(), 0);
  std::string text(bytes.data(), n > 0 ? static_cast<size_t>(n) : 0);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  text.erase(0, text.rfind('\n') + 1);  // 0 where there is no other line
  if (text.starts_with("qemu-nbd: ") || text.starts_with("qemu-img: ")) {
    text.erase(0, text.find(": ") + 2);
  }
  return text;
}

}  // namespace viridian::vhd::tool
