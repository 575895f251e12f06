#!/usr/bin/env python3
"""Holds the tree against the project's rules: who includes whom, sizes, and words.

Run from anywhere: tests/tidy.py [--graph]. Exits 1 after naming every place that breaks a rule.
--graph prints the include picture that the code has today, one folder a line.
"""
import argparse
import pathlib
import re
import sys

import tidy_functions

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Who may include whom: docs/structure.md. Every folder may include itself.
MAY_INCLUDE = {
    "base": set(),
    "io": {"base"},
    "pci": {"base", "io"},
    "vhd": {"base", "io"},
    "vmbus": {"base", "io"},
    "vswitch": {"base", "io"},
    "storvsp": {"base", "io", "vmbus"},
    "netvsp": {"base", "io", "vmbus", "vswitch"},
    "ide-emu": {"base", "io", "pci"},
    "nic-21140": {"base", "io", "pci", "vswitch"},
}
EVERYTHING = set(MAY_INCLUDE) | {"vmm-minimal", "bench", "tests"}
MAY_INCLUDE.update({"vmm-minimal": set(MAY_INCLUDE), "bench": EVERYTHING, "tests": EVERYTHING})
MAY_USE_DPDK = {"vswitch", "netvsp", "nic-21140", "bench", "tests"}

MAX_LINE = 100
MAX_LINES = {".h": 200, ".cc": 500, ".py": 500}
MAX_FUNCTION = 70

# Files through which every request passes: nothing in them may allocate, lock or throw, but for the
# lines that run before the first request and say so with a trailing "// set-up".
DATA_PATH = ROOT / "tests" / "data_path_files.txt"
DATA_PATH_BANS = [
    (re.compile(r"\bstd::(function|shared_ptr|make_shared|mutex|string\b|map|list)"),
     "a type that allocates or locks"),
    (re.compile(r"\bnew\s+[A-Za-z_]"), "new"),
    (re.compile(r"\b(malloc|calloc|realloc|make_unique)\b"), "an allocation"),
    (re.compile(r"\bthrow\b"), "an exception"),
]
BANS = [
    (re.compile(r"\bTODO(?!\()"), "a TODO without its reason in brackets"),
    (re.compile(r"\b(FIXME|XXX|HACK)\b"), "an unfinished place"),
    (re.compile(r"\busing namespace (?!std::(chrono|string)_?literals)"), "using namespace"),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def sources():
    for folder in sorted(EVERYTHING):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in MAX_LINES and path.is_file() and "__pycache__" not in path.parts:
                yield folder, path


def check_includes(folder, path, text, edges):
    for own, system in INCLUDE.findall(text):
        if system.startswith("rte_") and folder not in MAY_USE_DPDK:
            yield f"{path}: includes <{system}>; only {sorted(MAY_USE_DPDK)} may use DPDK"
        target = own.split("/")[0] if own else None
        if not own or target == folder:
            continue
        if target not in EVERYTHING:
            yield f'{path}: "{own}" is not a path from the root'
        elif target not in MAY_INCLUDE[folder]:
            yield f"{path}: {folder} must not include {target} ({own})"
        edges.setdefault(folder, set()).add(target)


def check_text(folder, path, text, data_path):
    lines = text.splitlines()
    if len(lines) > MAX_LINES[path.suffix]:
        yield f"{path}: {len(lines)} lines, more than {MAX_LINES[path.suffix]}"
    whole_line_bans = BANS if path.suffix != ".py" else []
    code_bans = DATA_PATH_BANS if path.as_posix() in data_path else []
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield f"{path}:{number}: {len(line)} characters, more than {MAX_LINE}"
        code, _, comment = line.partition("//")
        for pattern, what in whole_line_bans:
            if pattern.search(line):
                yield f"{path}:{number}: {what}"
        for pattern, what in code_bans:
            if pattern.search(code) and comment.strip() != "set-up":
                yield f"{path}:{number}: {what}"
        if "reinterpret_cast" in code and folder not in {"base", "tests", "bench"}:
            near = "".join(lines[max(0, number - 4):number])
            if "//" not in near:
                yield f"{path}:{number}: reinterpret_cast without a comment that says why"
    if path.suffix == ".h" and not text.startswith("//"):
        yield f"{path}: no head comment"
    if path.suffix == ".h" and "#pragma once" not in text:
        yield f"{path}: no #pragma once"
    for name, first, length in tidy_functions.functions(text, path.suffix):
        if length > MAX_FUNCTION:
            yield f"{path}:{first}: {name} has {length} lines, more than {MAX_FUNCTION}"


def find_cycle(edges):
    """A circle between folders as a list of their names, or None. Depth-first search."""
    done, path = set(), []

    def visit(folder):
        if folder in path:
            return path[path.index(folder):] + [folder]
        if folder in done:
            return None
        path.append(folder)
        for target in sorted(edges.get(folder, ())):
            circle = visit(target)
            if circle:
                return circle
        path.pop()
        done.add(folder)
        return None

    for folder in sorted(edges):
        circle = visit(folder)
        if circle:
            return circle
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", action="store_true", help="print who includes whom")
    arguments = parser.parse_args()

    problems, edges, count = [], {}, 0
    data_path = set(DATA_PATH.read_text().split()) if DATA_PATH.exists() else set()
    for name in data_path:
        if not (ROOT / name).is_file():
            problems.append(f"{DATA_PATH.name}: {name} does not exist")
    for folder, path in sources():
        count += 1
        text = path.read_text()
        relative = path.relative_to(ROOT)
        if path.suffix != ".py":
            problems += check_includes(folder, relative, text, edges)
        problems += check_text(folder, relative, text, data_path)
    circle = find_cycle({f: t for f, t in edges.items() if f not in {"tests", "bench"}})
    if circle:
        problems.append("folders include each other in a circle: " + " -> ".join(circle))

    if arguments.graph:
        for folder in sorted(edges):
            print(f"{folder:12} -> {', '.join(sorted(edges[folder]))}")
    for problem in problems:
        print(problem)
    print(f"tidy: {count} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
