#!/usr/bin/env python3
"""Other programs on images that vhdtool has mended, rebased and described.

Usage: vhd_mend.py BIN_FOLDER CASE, as vhd_interop.py.
"""
import json
import pathlib
import shutil
import sys
import tempfile

from vhd_interop import MIB, Work, expect_7zip, need, qemu_reads, run

SIZE = 40 * MIB + 512


def json_of(work, *command):
    return json.loads(run(work.tool, *command))


def damage(path, *changes):
    """Writes (offset, bytes) into a file; a negative offset is from the end, None cuts there."""
    with open(path, "r+b") as file:
        end = file.seek(0, 2)
        for offset, data in changes:
            at = offset if offset >= 0 else end + offset
            if data is None:
                file.truncate(at)
            else:
                file.seek(at)
                file.write(data)


DAMAGES = {
    "footer-missing": [(-512, None)],
    "footer-poisoned": [(-512, b"\xc7" * 512)],
    "footer-checksum": [(-512 + 64, b"\0\0\0\0")],
    "footer-short": [(-1, None)],
    "footer-copy-missing": [(0, bytes(512))],
    "footer-copy-checksum": [(64, b"\0\0\0\0")],
    "trailing-data": [(2 ** 26 - 1, b"x")],
    "header-checksum": [(512 + 36, b"\0\0\0\0")],
    "entry-past-end": [(1536 + 4 * 20, b"\x7f\xff\xff\xff")],  # the last block of the disk
}


def case_repaired_images_open_elsewhere(work):
    for name, changes in DAMAGES.items():
        path = work.convert(work.raw, "broken.vhd", "dynamic", "--force")
        if name == "entry-past-end":  # the block is lost with its entry: one that was not there
            path = work.path("broken.vhd")
            path.unlink()
            run(work.tool, "create", path, work.size)
        damage(path, *changes)
        before = path.read_bytes()
        plan = json_of(work, "repair", "--dry-run", "--json", path)
        if name not in [flaw["name"] for flaw in plan["flaws"]] or not plan["mendable"]:
            sys.exit(f"{name}: {plan}")
        if path.read_bytes() != before:
            sys.exit(f"{name}: a dry run wrote")
        run(work.tool, "repair", path)
        run(work.tool, "check", path)
        if name != "entry-past-end":
            work.expect_same(path)
            if shutil.which("qemu-img"):
                qemu_reads(work, path)
            if shutil.which("7zz"):
                expect_7zip(work, path)
        if shutil.which("vhdiinfo"):
            run("vhdiinfo", path)


def case_rebased_children_read_elsewhere(work):
    need("7zz")
    leaf = work.children("deep", 3)
    run(work.tool, "rebase", leaf, work.path("deep-base.vhd"))
    run(work.tool, "check", leaf)
    work.expect_same(leaf)
    expect_7zip(work, leaf)
    if shutil.which("vhdiinfo"):
        run("vhdiinfo", leaf)
    other = work.path("other.vhd")
    run(work.tool, "create", other, work.size)
    run(work.tool, "rebase", leaf, other)  # all of the disk is in the leaf then
    work.expect_same(leaf)
    expect_7zip(work, leaf)


def case_relinked_children_read_elsewhere(work):
    need("7zz")
    leaf = work.children("child", 1)
    for name in ("moved here.vhd", "größer 日本.vhd", "plain.vhd"):
        before = work.path("child-base.vhd")
        after = work.path(name)
        before.rename(after)
        run(work.tool, "relink", leaf, after)
        work.expect_same(leaf)
        expect_7zip(work, leaf)
        after.rename(before)
    run(work.tool, "check", leaf, status=1)  # its parent has the first name again
    run(work.tool, "relink", leaf, before)
    run(work.tool, "check", leaf)


def case_map_agrees_with_qemu(work):
    need("qemu-img")
    path = work.convert(work.raw, "mapped.vhd")
    theirs = json.loads(run("qemu-img", "map", "-f", "vpc", "--output=json", path))
    ours = json_of(work, "map", "--json", "--split", path)["extents"]
    def places(extents):
        found = {}
        for one in extents:
            if one.get("offset") is not None:
                for at in range(0, one["length"], 512):
                    found[one["start"] + at] = one["offset"] + at
        return found
    if places(e for e in theirs if e["data"]) != places(ours):
        sys.exit(f"maps differ\n{theirs}\n{ours}")
    svg = work.path("map.svg")
    run(work.tool, "map", "--svg", svg, path)
    if not svg.read_text().startswith("<svg"):
        sys.exit("no picture")


def case_compare_agrees_with_qemu(work):
    need("qemu-img")
    path = work.convert(work.raw, "same.vhd")
    run(work.tool, "compare", work.raw, path)
    run("qemu-img", "compare", "-f", "raw", "-F", "vpc", work.raw, path)
    with open(work.raw, "r+b") as file:
        file.seek(3 * MIB + 700)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 255]))
    done = run(work.tool, "compare", "--all", "--json", work.raw, path, status=1)
    seen = json.loads(done)
    if seen["first_difference"] != 3 * MIB + 700 or seen["differences"] != [
            {"start": 3 * MIB + 512, "length": 512}]:
        sys.exit(f"compare says {seen}")
    run("qemu-img", "compare", "-f", "raw", "-F", "vpc", work.raw, path, status=1)


def case_chain_of_a_thousand_images(work):
    folder = work.folder / "many"
    folder.mkdir()
    base = folder / "base.vhd"
    run(work.tool, "create", base, work.size)
    child = folder / "child-0.vhd"
    run(work.tool, "snapshot", base, child)
    data = child.read_bytes()
    for number in range(1, 1000):  # of one id, which is a clash each
        (folder / f"child-{number}.vhd").write_bytes(data)
    tree = json.loads(run(work.tool, "chain", "--json", folder, status=1))
    if len(tree["images"]) != 1001 or tree["roots"] != ["base.vhd"]:
        sys.exit(f"{len(tree['images'])} images, roots {tree['roots']}")
    run(work.tool, "chain", folder, status=1)


def case_full_disk_is_described_fast(work):
    """Not timed here: what is printed for a full disk of 2040 GiB stays short."""
    path = work.path("full.vhd")
    run(work.tool, "create", path, "2040G")
    with open(path, "r+b") as file:
        file.seek(1536)
        blocks = 2040 * 1024 // 2
        first = (1536 + 4 * blocks + 511) // 512 + 7 & ~7
        step = 2 * MIB // 512 + 8
        table = b"".join((first + i * step + 7).to_bytes(4, "big") for i in range(blocks))
        footer_at = file.seek(-512, 2)
        footer = file.read(512)
        file.seek(1536)
        file.write(table)
        file.truncate((first + blocks * step) * 512 + 512)
        file.seek(-512, 2)
        file.write(footer)
        file.seek(footer_at)
        if footer_at >= first * 512:
            file.write(bytes(512))
    extents = json_of(work, "map", "--json", path)["extents"]
    if len(extents) != 1 or extents[0]["pieces"] != blocks:
        sys.exit(f"map says {extents[:3]}")
    if json_of(work, "info", "--json", path)["allocated_blocks"] != blocks:
        sys.exit("info counts other blocks")


def main():
    bin_folder, case = pathlib.Path(sys.argv[1]).resolve(), globals()["case_" + sys.argv[2]]
    with tempfile.TemporaryDirectory(prefix="viridian-interop-") as folder:
        case(Work(bin_folder, pathlib.Path(folder), SIZE))


if __name__ == "__main__":
    main()
