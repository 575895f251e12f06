// vhdtool's commands: one function each, between the command line (main.cc) and the library.
//
// Each prints its result on standard output, as text or as JSON, and returns what went wrong as one
// line. The JSON objects have "schema": 1; members may be added, and none is removed or changed.
#pragma once

#include <cstdint>
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
  ImageType type = ImageType::kDynamic;
  CreateOptions options;  // without the size
  OpenPolicy policy;
  bool direct = false;  // past the page cache
  bool sync = true;     // durable when it is done
  bool json = false;
};
Result<void> run_convert(const ConvertCommand& command);

struct CheckCommand {
  std::string path;
  OpenPolicy policy;
  bool json = false;
};
// Fails if the image or one of its parents is damaged.
Result<void> run_check(const CheckCommand& command);

}  // namespace viridian::vhd::tool
