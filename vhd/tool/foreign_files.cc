#include "vhd/tool/foreign_files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/unique_fd.h"
#include "vhd/tool/server_messages.h"

namespace viridian::vhd::tool {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kMaxAnswerBytes = 1u << 20;
constexpr unsigned kMaxDepth = 64;

// What `qemu-img info` says of one image.
Result<Json> ask(const std::string& path, const std::string& format) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  std::vector<std::string> words = {"qemu-img", "info", "--output=json", "-f", format, "--", path};
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  pid_t child = -1;
  ServerMessages messages;
  messages.begin();
  const int error =
      ::posix_spawnp(&child, "qemu-img", &actions, nullptr, arguments.data(), environ);
  messages.end();
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail_errno("qemu-img", error);
  out.reset();
  std::string answer;
  std::array<char, 4096> piece{};
  for (ssize_t n = 1; n > 0 && answer.size() < kMaxAnswerBytes;) {
    n = ::read(in.get(), piece.data(), piece.size());
    if (n > 0) answer.append(piece.data(), static_cast<size_t>(n));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) {
    const std::string why = messages.last_line();
    return fail(ErrorKind::kInvalidArgument, "{}: {}", path,
                why.empty() ? "qemu-img cannot read it" : why);
  }
  return json;
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

// Data files of qcow2, and the extents of vmdk.
std::vector<std::string> parts_of(const Json& json) {
  std::vector<std::string> parts;
  const Json data = json.value(Json::json_pointer("/format-specific/data"), Json::object());
  if (const std::string file = text_of(data, "data-file"); !file.empty()) parts.push_back(file);
  for (const Json& extent : data.value("extents", Json::array())) {
    if (const std::string file = text_of(extent, "filename"); !file.empty()) parts.push_back(file);
  }
  return parts;
}

// Where `name` leads, if that is a place in `folder` and no protocol's word.
Result<std::string> inside(const fs::path& folder, const std::string& image,
                           const std::string& name) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(folder / name, error);
  if (!error && name.find(':') == std::string::npos && place.parent_path() == folder) {
    return place.string();
  }
  return fail(ErrorKind::kInvalidArgument,
              "{}: names '{}', which is not in its folder; --allow-parent follows it, if you trust "
              "the image",
              image, name);
}

}  // namespace

Result<void> refuse_files_outside(const std::string& path, const std::string& format) {
  std::error_code error;
  const fs::path folder = fs::canonical(path, error).parent_path();
  if (error) return fail_errno(path, error.value());
  std::string image = path;
  std::string kind = format;
  for (unsigned depth = 0; depth < kMaxDepth; ++depth) {
    const auto json = ask(image, kind);
    if (!json) return Unexpected(json.error());
    for (const std::string& part : parts_of(*json)) {
      if (part != image) VIRIDIAN_TRY(inside(folder, image, part));
    }
    const std::string backing = text_of(*json, "backing-filename");
    if (backing.empty()) return {};
    auto place = inside(folder, image, backing);
    if (!place) return Unexpected(std::move(place).error());
    image = std::move(*place);
    kind = text_of(*json, "backing-filename-format");
    if (kind.empty()) {
      return fail(ErrorKind::kInvalidArgument,
                  "{}: does not name the format of its backing file '{}'; --allow-parent lets "
                  "qemu-nbd guess it",
                  path, backing);
    }
  }
  return fail(ErrorKind::kInvalidArgument, "{}: has more than {} backing files", path, kMaxDepth);
}

}  // namespace viridian::vhd::tool
