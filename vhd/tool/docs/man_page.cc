#include <sstream>

#include "vhd/tool/commands.h"
#include "vhd/tool/docs/generated.h"

namespace viridian::vhd::tool {
namespace {

constexpr const char* kConcepts = R"(
A
.I fixed
image has its disk's full size and a footer; a
.I dynamic
one grows block by block as it is written; a
.I differencing
one, the child, holds what differs from its parent, which must not be written any more.
.I Raw
files and block devices are read and written too.
A file's name says which it is (.vhd, .avhd and .vud are VHD, all else is raw), never its content;
.B \-\-format
overrides it.
.PP
Images are locked while they are in use, in the way that QEMU understands.
New images get their names when they are whole, so a command that fails leaves nothing behind.
)";

// Text in a paragraph: nothing in it is a request or an escape.
std::string escaped(const std::string& text) {
  std::string result;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) result += "\\&";
    line_start = c == '\n';
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if (c == '\'') {
      result += "\\(aq";
    } else {
      result += c;
    }
  }
  return result;
}

void add_option(const OptionDocs& option, bool positional, std::string& page) {
  page += ".TP\n";
  std::string tag;
  for (const std::string& name : option.names) {
    if (!tag.empty()) tag += ", ";
    tag += (positional ? "\\fI" : "\\fB") + escaped(name) + "\\fR";
  }
  if (!positional && !option.value.empty()) tag += " \\fI" + escaped(option.value) + "\\fR";
  page += tag + "\n" + escaped(option.text);
  if (positional && !option.choices.empty()) page += ": " + escaped(option.value);
  if (positional && !option.required) page += " (optional)";
  page += ".\n";
}

// The text behind a command's options: paragraphs, and examples as they are.
void add_footer(const std::string& footer, std::string& page) {
  std::istringstream lines(footer);
  bool literal = false;
  if (!footer.empty()) page += ".PP\n";
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.rfind("  ", 0) == 0;
    if (indented != literal) page += indented ? ".PP\n.nf\n" : ".fi\n.PP\n";
    literal = indented;
    page += line.empty() ? ".PP\n" : escaped(line) + "\n";
  }
  if (literal) page += ".fi\n";
}

void add_command(const CommandDocs& command, std::string& page) {
  page += ".SS " + escaped(command.name) + "\n" + escaped(command.text) + ".\n.PP\n";
  page += "\\fBvhdtool\\fR " + escaped(synopsis(command)) + "\n";
  for (const OptionDocs& one : command.positionals)
    add_option(one, true, page);
  for (const OptionDocs& one : command.options) {
    if (one.names.back() != "--help") add_option(one, false, page);
  }
  add_footer(command.footer, page);
}

}  // namespace

std::string man_page(const CommandDocs& program) {
  std::string page = ".TH VHDTOOL 1 \"\" \"Viridian\" \"User Commands\"\n";
  page += ".SH NAME\nvhdtool \\- make, show, check, convert and change VHD disk images\n";
  page += ".SH SYNOPSIS\n.B vhdtool\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.br\n";
  page += ".B vhdtool\n[\\fICOMMAND\\fR] \\fB\\-\\-help\\fR\n";
  page += ".SH DESCRIPTION\n" + escaped(program.text) + "\n.PP" + kConcepts;
  page += ".SH OPTIONS\n";
  for (const OptionDocs& one : program.options)
    add_option(one, false, page);
  page += ".SH COMMANDS\n";
  for_each(program, [&](const CommandDocs& command) {
    if (!command.name.empty()) add_command(command, page);
  });
  page += ".SH EXIT STATUS\n";
  for (const ExitCodeText& one : kExitCodes) {
    page += ".TP\n.B " + std::to_string(one.code) + "\n" + escaped(one.text) + ".\n";
  }
  const std::string heading = "Examples:\n";
  page += ".SH EXAMPLES\n";
  add_footer(program.footer.substr(program.footer.rfind(heading, 0) == 0 ? heading.size() : 0),
             page);
  page += ".SH SEE ALSO\n.BR qemu\\-img (1),\n.BR nbdkit (1)\n";
  return page;
}

}  // namespace viridian::vhd::tool
