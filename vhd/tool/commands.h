// vhdtool's commands: one function each, between the command line (main.cc) and the library.
//
// Each prints its result on standard output, as text or as JSON, and returns what went wrong as one
// line. The JSON objects have "schema": 1; members may be added, and none is removed or changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "vhd/create.h"
#include "vhd/image.h"

namespace viridian::vhd::tool {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,  // also: check found damage
  kExitUsage = 2,
  kExitLocked = 3,  // another program uses the image
};

// For --help and the man page.
struct ExitCodeText {
  int code;
  const char* text;
};
constexpr ExitCodeText kExitCodes[] = {
    {kExitOk, "done"},
    {kExitFailed, "failed, or check found damage"},
    {kExitUsage, "wrong command line"},
    {kExitLocked, "image in use"},
};

struct CreateCommand {
  std::string path;
  ImageType type = ImageType::kDynamic;
  std::string parent;  // not empty: a differencing image
  CreateOptions options;
  OpenPolicy policy;
  bool sync = false;  // durable, and not only whole
  bool json = false;
};
Result<void> run_create(const CreateCommand& command);

struct InfoCommand {
  std::string path;
  OpenPolicy policy;
  bool chain = false;  // the parents too
  bool json = false;
};
Result<void> run_info(const InfoCommand& command);

struct ConvertCommand {
  std::string source;
  std::string target;
  std::string from;  // a format that qemu-nbd reads; empty: by the name
  ImageType type = ImageType::kDynamic;
  CreateOptions options;  // without the size
  OpenPolicy policy;
  bool direct = false;    // past the page cache
  bool sync = true;       // durable when it is done
  bool in_place = false;  // raw to fixed or back, by the footer alone
  bool json = false;
};
// An NBD URI is a source too. "-" as source or target: standard input or output, with
// options.size_bytes if it is known.
Result<void> run_convert(const ConvertCommand& command);

struct MeasureCommand {
  std::string source;  // empty: of a disk of options.size_bytes
  std::string from;    // as of convert
  ImageType type = ImageType::kDynamic;
  CreateOptions options;
  OpenPolicy policy;
  bool json = false;
};
Result<void> run_measure(const MeasureCommand& command);

struct DdCommand {
  bool write = false;  // into the image, and not out of it
  std::string image;
  std::string file = "-";
  uint64_t offset = 0;             // bytes of the disk
  std::optional<uint64_t> length;  // nothing: up to the end
  OpenPolicy policy;
  bool replace = false;  // an existing file
  bool json = false;
};
Result<void> run_dd(const DdCommand& command);

struct BenchCommand {
  std::string image;  // only read
  bool is_random = true;
  bool write = false;     // to a scratch disk beside the image
  uint64_t bytes = 4096;  // of each request
  uint32_t depth = 32;
  double seconds = 5;
  uint64_t count = 0;  // 0: for `seconds`
  OpenPolicy policy;
  bool json = false;
};
Result<void> run_bench(const BenchCommand& command);

struct AzureCommand {
  std::string path;
  bool json = false;
};
// Fails if Azure would not take the image as a disk.
Result<void> run_azure_validate(const AzureCommand& command);

struct CheckCommand {
  std::string path;
  OpenPolicy policy;
  bool json = false;
};
// Fails if the image or one of its parents is damaged.
Result<void> run_check(const CheckCommand& command);

struct ServeCommand {
  std::string image;
  std::string mount_point;  // of mount
  std::string socket;       // of serve; empty: beside the image
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0: a socket of this host
  bool read_only = false;
  bool direct = false;
  OpenPolicy policy;
  bool json = false;
};
// Return only with an error: another program takes over.
Result<void> run_serve(const ServeCommand& command);
Result<void> run_mount(const ServeCommand& command);

}  // namespace viridian::vhd::tool
