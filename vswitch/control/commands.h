// The requests of docs/vswitch-control.md and their answers. Control's thread.
//
// watch and capture go on after their answer: the server sends what follows.
#pragma once

#include <optional>

#include "vswitch/control/report.h"

namespace viridian::vswitch {

struct CaptureRequest {
  std::string switch_name;
  CaptureFilter filter;
};

struct Answer {
  Json json;                         // one line
  std::optional<uint32_t> watch_ms;  // what watch() says follows in these intervals
  std::optional<CaptureRequest> capture;
};

class Commands {
 public:
  explicit Commands(SwitchHost& host) : host_(host) {}

  Answer answer(std::string_view line);

  // A line for those who watch: counters and rates of all ports.
  Json watch() const;
  void sample(uint64_t now_ns) { meter_.sample(host_, now_ns); }
  std::string metrics() const { return to_open_metrics(host_); }

 private:
  Json run(const Json& request, Answer& answer, std::string& error);
  Json show(const Json& request, std::string& error) const;
  Json macs(const Json& request, std::string& error);
  Json explain(const Json& request, std::string& error);
  Json apply(const Json& request, std::string& error);
  Json edit(std::string_view command, const Json& request, std::string& error);
  Json edit_port(std::string_view command, const Json& request, Json& one, std::string& error);
  Json apply_json(const Json& config, bool only_tell, const std::string& path, std::string& error);
  CaptureRequest capture(const Json& request, std::string& error);
  SwitchHost::Switch* switch_of(Fields& fields, const std::string& name) const;

  SwitchHost& host_;
  RateMeter meter_;
};

}  // namespace viridian::vswitch
