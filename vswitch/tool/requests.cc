#include "vswitch/tool/requests.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "vswitch/tool/tables.h"

namespace viridian::vswitch {
namespace {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

template <class Show>
Result<void> ask_and_print(Client& client, const Json& request, Show&& show) {
  const auto result = client.ask(request);
  if (!result) return Unexpected(result.error());
  print(show(*result));
  return {};
}

}  // namespace

Result<Json> parse_assignments(const std::vector<std::string>& words) {
  Json set = Json::object();
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == 0 || equals == word.npos)
      return fail(ErrorKind::kInvalidArgument, "\"{}\": must be FIELD=VALUE", word);
    const std::string text = word.substr(equals + 1);
    Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) value = text;
    Json* at = &set;
    std::string name = word.substr(0, equals);
    for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.')) {
      at = &(*at)[name.substr(0, dot)];
      if (!at->is_object() && !at->is_null())
        return fail(ErrorKind::kInvalidArgument, "\"{}\": the field is set otherwise too", word);
      name.erase(0, dot + 1);
    }
    (*at)[name] = value;
  }
  return set;
}

Result<Json> read_json_file(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(path);
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (!file) return fail(ErrorKind::kNotFound, "{}: cannot be read", path);
  }
  Json value;
  std::string error;
  if (!parse_json(text, value, error))
    return fail(ErrorKind::kInvalidArgument, "{}: {}", path, error);
  return value;
}

Result<void> print_changes(Client& client, const Json& request) {
  return ask_and_print(client, request, [](const Json& result) {
    std::string text;
    for (const Json& line : result["changes"])
      text += line.get<std::string>() + "\n";
    return text.empty() ? "nothing to change\n" : text;
  });
}

Result<void> print_json(Client& client, const Json& request) {
  return ask_and_print(client, request, [](const Json& result) { return result.dump(2) + "\n"; });
}

Result<void> print_text(Client& client, const Json& request) {
  return ask_and_print(client, request,
                       [](const Json& result) { return result.get<std::string>(); });
}

Result<void> print_switches(Client& client, const Json& request) {
  return ask_and_print(client, request, switches_table);
}

Result<void> print_macs(Client& client, const Json& request) {
  return ask_and_print(client, request, macs_table);
}

Result<void> print_explanation(Client& client, const Json& request) {
  return ask_and_print(client, request,
                       [](const Json& result) { return result.value("text", "") + "\n"; });
}

Result<void> watch(Client& client, uint32_t interval_ms, uint32_t count, bool as_json) {
  const auto begun = client.ask({{"command", "watch"}, {"interval_ms", interval_ms}});
  if (!begun) return Unexpected(begun.error());
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1;
  for (uint32_t i = 0; count == 0 || i < count; ++i) {
    const auto line = client.line();
    if (!line) return Unexpected(line.error());
    if (as_json) {
      print(*line + "\n");
    } else {
      print((on_terminal ? "\033[H\033[J" : "") + watch_table(Json::parse(*line)));
    }
  }
  return {};
}

Result<void> capture(Client& client, const Json& request, const CaptureOptions& options) {
  const auto begun = client.ask(request);
  if (!begun) return Unexpected(begun.error());
  std::FILE* file = options.file == "-" ? stdout : std::fopen(options.file.c_str(), "wb");
  if (file == nullptr) return fail_errno(options.file, errno);
  const auto close = [&](Result<void> result) {
    const bool written = std::fflush(file) == 0;
    if (file != stdout) std::fclose(file);
    if (result && !written) return Result<void>(fail_errno(options.file, errno));
    return result;
  };
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
  uint64_t total = 0;
  while (options.bytes == 0 || total < options.bytes) {
    int timeout_ms = -1;
    if (options.seconds > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) break;
      timeout_ms = static_cast<int>(left.count());
    }
    const auto bytes = client.bytes(timeout_ms);
    if (!bytes) return close(Unexpected(bytes.error()));
    if (bytes->empty()) break;
    total += bytes->size();
    // To the file at once: who stops us with Ctrl-C has all of it.
    if (std::fwrite(bytes->data(), 1, bytes->size(), file) != bytes->size() ||
        std::fflush(file) != 0)
      return close(fail_errno(options.file, errno));
  }
  return close({});
}

}  // namespace viridian::vswitch
