// vhdtool chain: the tree of a folder's images, as text and as JSON.
#include <algorithm>

#include "vhd/text.h"
#include "vhd/tool/chain_tree.h"
#include "vhd/tool/json.h"
#include "vhd/tool/size_text.h"

namespace viridian::vhd::tool {
namespace {

void print_json(const ChainCommand& command, const std::vector<TreeNode>& nodes) {
  Json images = Json::array();
  Json roots = Json::array();
  for (const TreeNode& node : nodes) {
    Json children = Json::array();
    for (size_t child : node.children)
      children.push_back(nodes[child].path);
    Json problems = Json::array();
    for (const TreeProblem& one : node.problems)
      problems.push_back({{"name", one.name}, {"text", one.text}});
    Json json = {{"path", node.path}};
    if (node.readable) {
      json["type"] = to_string(node.type);
      json["size_bytes"] = node.size_bytes;
      json["unique_id"] = id_text(node.unique_id);
    }
    if (node.type == ImageType::kDifferencing) {
      json["parent"] = nullptr;
      if (node.parent != kNoNode) json["parent"] = nodes[node.parent].path;
      json["parent_found_by"] = node.parent_source;
      json["parent_name"] = node.image.parent_name;
      json["parent_unique_id"] = id_text(node.image.parent_unique_id);
    }
    json["children"] = children;
    json["problems"] = problems;
    images.push_back(std::move(json));
    if (node.parent == kNoNode) roots.push_back(node.path);
  }
  print(Json{
      {"schema", kJsonSchema}, {"folder", command.folder}, {"roots", roots}, {"images", images}});
}

void print_line(const TreeNode& node, const std::string& before) {
  fmt::print("{}{}", before, quote(node.path));
  if (node.readable) fmt::print("  {}, {}", to_string(node.type), size_text(node.size_bytes));
  fmt::print("\n");
}

void print_problems(const TreeNode& node, const std::string& prefix) {
  for (const TreeProblem& one : node.problems)
    fmt::print("{}  ! {}: {}\n", prefix, one.name, one.text);
}

// Without recursion: a chain may be as long as the folder has files.
void print_tree(const std::vector<TreeNode>& nodes, size_t root) {
  struct Next {
    size_t node;
    std::string prefix;
    bool last;
    bool is_root;
  };
  std::vector<Next> stack = {{root, "", true, true}};
  while (!stack.empty()) {
    const Next next = std::move(stack.back());
    stack.pop_back();
    const TreeNode& node = nodes[next.node];
    print_line(node, next.is_root ? "" : next.prefix + (next.last ? "└─ " : "├─ "));
    const std::string below = next.is_root ? "" : next.prefix + (next.last ? "   " : "│  ");
    print_problems(node, below + (node.children.empty() ? " " : "│"));
    for (size_t i = node.children.size(); i-- > 0;)
      stack.push_back({node.children[i], below, i + 1 == node.children.size(), false});
  }
}

}  // namespace

Result<void> run_chain(const ChainCommand& command) {
  const auto nodes = read_tree(command.folder, command.options);
  if (!nodes) return Unexpected(nodes.error());
  size_t problems = 0;
  for (const TreeNode& node : *nodes)
    problems += node.problems.size();
  if (command.json) {
    print_json(command, *nodes);
  } else {
    for (size_t i = 0; i < nodes->size(); ++i) {
      if ((*nodes)[i].parent == kNoNode) print_tree(*nodes, i);
    }
  }
  if (problems == 0) return {};
  return fail(ErrorKind::kCorrupt,
              "{}: {} problem{} among {} images; 'vhdtool check IMAGE' looks closer, 'vhdtool "
              "relink' records where a parent is",
              command.folder, problems, problems == 1 ? "" : "s", nodes->size());
}

}  // namespace viridian::vhd::tool
