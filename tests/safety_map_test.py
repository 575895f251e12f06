#!/usr/bin/env python3
"""Each test that a row of docs/vhd-safety.md names exists, and each row names one.

Run from anywhere. Exits 1 after naming every row that is wrong. The page says how tests are named.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "vhd-safety.md"
TESTS = ROOT / "tests"

GTEST = re.compile(r"\bTEST(?:_F|_P)?\((\w+),\s*(\w+)\)")
ROW_NAMES = {
    "HostileImage": (TESTS / "unit/vhd/hostile_image_test.cc", re.compile(r'\{"(\w+)",')),
    "Repair": (TESTS / "support/damaged_image.cc", re.compile(r'\{"([\w-]+)",')),
}
HOSTILE_CASES = 29  # as many as the peers were tried with, at least


def gtests():
    found = set()
    for path in TESTS.rglob("*.cc"):
        for suite, test in GTEST.findall(path.read_text(encoding="utf-8")):
            found |= {f"{suite}.{test}", f"{suite}.*"}
    return found


def cases():
    """The names that ctest gives to the cases of Python tests."""
    found = set()
    loop = re.compile(r"foreach\(case\s+([\w\s]+)\)\s*add_test\(NAME ([\w.]+)\.\$\{case\}")
    for path in (TESTS / "interop/CMakeLists.txt", TESTS / "crash/CMakeLists.txt"):
        for names, prefix in loop.findall(path.read_text(encoding="utf-8")):
            found |= {f"{prefix}.{name}" for name in names.split()}
    return found


def known_names():
    names = gtests() | cases()
    for prefix, (path, row) in ROW_NAMES.items():
        names |= {f"{prefix}/{one}" for one in row.findall(path.read_text(encoding="utf-8"))}
    names |= {f"fuzz/{path.stem.removesuffix('_fuzz')}" for path in TESTS.glob("fuzz/*_fuzz.cc")}
    names |= {f"bench/{path.stem}" for path in ROOT.glob("bench/*.*")}
    return names


def check(page, names):
    section, rows = "", {}
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        if not line.startswith("| ") or line.endswith("| test |"):
            continue
        rows.setdefault(section, []).append(line)
        tests = re.findall(r"`([^`]+)`", line.rstrip("|").rpartition("|")[2])
        if not tests:
            yield f"line {number}: names no test: {line}"
        for test in tests:
            if test not in names:
                yield f"line {number}: no test has the name {test}"
    if len(rows.get("Hostile cases", [])) < HOSTILE_CASES:
        yield f"fewer than {HOSTILE_CASES} hostile cases"


def main():
    names = known_names()
    problems = list(check(PAGE.read_text(encoding="utf-8"), names))
    # That this test can fail.
    for wrong in ("| case | `Suite.Test` |", "| case | nothing |"):
        if len(list(check(wrong, names))) != 2:
            problems.append(f"a wrong row was not found: {wrong}")
    for problem in problems:
        print(f"docs/vhd-safety.md: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
