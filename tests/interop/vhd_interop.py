#!/usr/bin/env python3
"""Other programs read what vhdtool wrote, and vhdtool reads what they wrote.

Usage: vhd_interop.py BIN_FOLDER CASE, one of the functions case_* below. BIN_FOLDER
holds vhdtool and image_write. Exits 77, saying what is missing, without the program it needs.
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

MIB = 1 << 20
SIZES = [4 * MIB, 40 * MIB, 40 * MIB + 512, 301 * MIB]  # most are no product of a geometry
SKIP = 77


def need(program):
    if shutil.which(program) is None:
        print(f"missing: {program}")
        sys.exit(SKIP)


def run(*command, status=0):
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=120, check=False)
    if done.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}, not {status}\n"
                 f"{done.stdout.decode(errors='replace')}{done.stderr.decode(errors='replace')}")
    return done.stdout


class Work:
    """A folder with a sparse raw disk in it, and the programs."""

    def __init__(self, bin_folder, folder, size):
        self.tool = bin_folder / "vhdtool"
        self.image_write = bin_folder / "image_write"
        self.folder = folder
        self.size = size
        self.raw = folder / f"{size}.img"
        chance = random.Random(size)
        with open(self.raw, "wb") as file:
            file.truncate(size)
            for _ in range(12):
                self.scribble(file, chance)
            file.seek(size - 512)  # the very last sector: a reader that cuts the disk loses it
            file.write(b"\x5a" * 512)

    def scribble(self, file, chance):
        length = chance.choice([512, 4096, 70000, 2 * MIB])
        file.seek(chance.randrange(self.size - min(length, self.size // 2)) // 512 * 512)
        data = chance.randbytes(length)
        file.write(data[:self.size - file.tell()])

    def path(self, name):
        return self.folder / f"{self.size}-{name}"

    def convert(self, source, name, to="dynamic", *options):
        run(self.tool, "convert", "--to", to, *options, source, self.path(name))
        return self.path(name)

    def expect_same(self, path, *options):
        """vhdtool reads the raw disk's bytes from `path`."""
        back = self.convert(path, "back.img", "raw", "--force", *options)
        run("cmp", self.raw, back)

    def info(self, path):
        return json.loads(run(self.tool, "info", "--json", path))

    def children(self, name, depth, unit=512):
        """A chain whose leaf reads as the raw disk, which changes on the way, by whole units."""
        path = self.convert(self.raw, f"{name}-base.vhd")
        chance = random.Random(depth)
        for level in range(depth):
            child = self.path(f"{name}-{level}.vhd")
            run(self.tool, "snapshot", path, child)
            path = child
            for _ in range(3):
                length = max(unit, chance.choice([512, 4096, 65536]))
                offset = chance.randrange((self.size - length) // unit) * unit
                data = self.folder / "piece"
                data.write_bytes(chance.randbytes(length))
                run(self.image_write, path, offset, data)
                with open(self.raw, "r+b") as file:
                    file.seek(offset)
                    file.write(data.read_bytes())
        return path


def qemu_reads(work, path):
    info = json.loads(run("qemu-img", "info", "-f", "vpc", "--output=json", path))
    if info["virtual-size"] != work.size:
        sys.exit(f"{path}: qemu-img sees {info['virtual-size']} bytes, not {work.size}")
    run("qemu-img", "compare", "-f", "raw", "-F", "vpc", work.raw, path)


def case_qemu_reads_ours(work):
    need("qemu-img")
    for kind in ("fixed", "dynamic"):
        qemu_reads(work, work.convert(work.raw, f"{kind}.vhd", kind))


def case_we_read_qemus(work):
    need("qemu-img")
    for options in ("subformat=dynamic", "subformat=fixed", "subformat=dynamic,force_size",
                    "subformat=fixed,force_size"):
        path = work.path(f"{options.replace(',', '-')}.vhd")
        run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, work.raw, path)
        run(work.tool, "check", path)
        size = work.info(path)["size_bytes"]
        seen = json.loads(run("qemu-img", "info", "-f", "vpc", "--output=json", path))
        if size != seen["virtual-size"]:
            sys.exit(f"{path}: {size} bytes, qemu-img sees {seen['virtual-size']}")
        back = work.convert(path, "back.img", "raw", "--force")
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", work.raw, back)  # zeroes behind: same


def case_7zip_reads_ours(work):
    need("7zz")
    made = [work.convert(work.raw, f"{kind}.vhd", kind) for kind in ("fixed", "dynamic")]
    for path in made:
        expect_7zip(work, path)
    expect_7zip(work, work.children("seven", 3))


def expect_7zip(work, path):
    run("7zz", "x", "-y", f"-o{work.path('out')}", path)
    extracted = next(work.path("out").iterdir())
    run("cmp", work.raw, extracted)
    shutil.rmtree(work.path("out"))


def case_libvhdi_reads_ours(work):
    need("vhdiinfo")
    kinds = {"Fixed": work.convert(work.raw, "fixed.vhd", "fixed"),
             "Dynamic": work.convert(work.raw, "dynamic.vhd"),
             "Differential": work.children("vhdi", 1)}
    for kind, path in kinds.items():
        text = run("vhdiinfo", path).decode()
        if not re.search(rf"Disk type\s*: {kind}", text) or f"({work.size} bytes)" not in text:
            sys.exit(f"{path}: vhdiinfo says\n{text}")


def case_libvhdi_reads_our_bytes(work):
    python = "/usr/bin/python3"  # Debian's own: see libvhdi_read.py
    need(python)
    reader = pathlib.Path(__file__).parent / "libvhdi_read.py"
    for make in (lambda: work.convert(work.raw, "b-fixed.vhd", "fixed"),
                 lambda: work.convert(work.raw, "b-dynamic.vhd"),
                 # Changes the raw disk, too. By 8 sectors, since libvhdi 20210425 takes a run of
                 # present sectors to last until the end of its bitmap's byte.
                 lambda: work.children("vhdi-bytes", 3, 8 * 512)):
        path = make()
        done = subprocess.run([python, reader, path], capture_output=True, timeout=120, check=False)
        if done.returncode == SKIP:
            print(done.stderr.decode())
            sys.exit(SKIP)
        if done.returncode != 0 or done.stdout != work.raw.read_bytes():
            sys.exit(f"{path}: libvhdi reads other bytes\n{done.stderr.decode()}")


def hold_open(command, ready):
    """Starts a program and waits until it uses the image."""
    # pylint: disable-next=consider-using-with
    program = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    ready(program)
    return program


def refused(text, *command):
    """True if the program ends with an error that says `text`."""
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=60, check=False)
    return done.returncode != 0 and text in (done.stderr + done.stdout).decode(errors="replace")


def case_qemus_locks_keep_us_out(work):
    need("qemu-io")
    path = work.convert(work.raw, "locked.vhd")

    def asked(program):
        program.stdin.write(b"read 0 512\n")
        program.stdin.flush()
        while b"512/512" not in program.stdout.readline():
            pass
    holder = hold_open(["qemu-io", "-f", "vpc", path], asked)
    try:
        if not refused("in use", work.image_write, path, 0, "/dev/null"):
            sys.exit("written while qemu-io writes it")
        run(work.tool, "check", path, status=3)
        run(work.tool, "convert", path, work.path("locked-copy.vhd"), status=3)
    finally:
        holder.communicate(b"quit\n", timeout=60)
    run(work.tool, "check", path)


def case_our_locks_keep_qemu_out(work):
    need("qemu-io")
    parent = work.convert(work.raw, "chain.vhd")
    child = work.path("chain-child.vhd")
    run(work.tool, "snapshot", parent, child)
    if not refused("is the parent of", work.image_write, parent, 0, "/dev/null"):
        sys.exit("a parent with a child was written")
    pipe = work.path("pipe")
    os.mkfifo(pipe)
    holder = hold_open([work.image_write, child, 0, pipe], lambda program: None)
    # image_write opens the pipe when it has the disk; so does this, and waits for it.
    with open(pipe, "wb") as data:
        for other in (child, parent):
            if not refused("lock", "qemu-io", "-f", "vpc", "-c", "write 0 512", other):
                sys.exit(f"qemu-io wrote {other} while it was in use")
        run("qemu-io", "-r", "-f", "vpc", "-c", "read 0 512", parent)
        data.write(b"\1" * 512)
    if holder.wait(60) != 0:
        sys.exit("image_write failed")


def case_nbdkit_serves_ours_and_fills_ours(work):
    """What nbdkit knows of VHD is that a fixed one is a raw disk with something behind it."""
    need("nbdkit")
    need("nbdcopy")
    path = work.convert(work.raw, "served.vhd", "fixed")
    served = ["nbdkit", "--exit-with-parent", "--filter=offset", "file"]
    copied = work.path("copied.img")
    run("nbdcopy", "--", "[", *served, path, f"range={work.size}", "]", copied)
    run("cmp", work.raw, copied)
    empty = work.path("filled.vhd")
    run(work.tool, "create", "--type", "fixed", empty, work.size)
    run("nbdcopy", "--", work.raw, "[", *served, empty, f"range={work.size}", "]")
    run(work.tool, "check", empty)
    work.expect_same(empty)


def case_chain_is_flattened(work):
    leaf = work.children("chain", 3)
    run(work.tool, "check", leaf)
    for kind in ("raw", "fixed", "dynamic"):
        flat = work.convert(leaf, f"flat-{kind}" + (".img" if kind == "raw" else ".vhd"), kind)
        work.expect_same(flat)
    if work.info(work.path("flat-dynamic.vhd"))["type"] != "dynamic":
        sys.exit("a flattened chain has a parent")


def case_blocks_of_zeroes_stay_unallocated(work):
    written_out = work.path("full.img")
    run("cp", "--sparse=never", work.raw, written_out)
    sparse = work.info(work.convert(work.raw, "a.vhd"))["allocated_blocks"]
    full = work.info(work.convert(written_out, "b.vhd"))["allocated_blocks"]
    if sparse != full or full >= work.size // (2 * MIB) and work.size > 100 * MIB:
        sys.exit(f"{sparse} blocks of a sparse file, {full} of a full one")


def case_others_read_what_was_rewritten(work):
    need("qemu-img")
    need("7zz")
    path = work.convert(work.raw, "rewritten.vhd")
    larger = work.path("larger.img")
    run("cp", "--sparse=always", work.raw, larger)
    os.truncate(larger, work.size + 100 * MIB + 512)
    for size in (work.size + 100 * MIB + 512, 2040 << 30):
        run(work.tool, "resize", path, size)
        seen = json.loads(run("qemu-img", "info", "-f", "vpc", "--output=json", path))
        if seen["virtual-size"] != size:
            sys.exit(f"{path}: qemu-img sees {seen['virtual-size']} bytes, not {size}")
        run("qemu-img", "compare", "-f", "raw", "-F", "vpc", larger, path)
        run("7zz", "l", path)
        run(work.tool, "check", path)
    run(work.tool, "resize", path, work.size)
    qemu_reads(work, path)
    expect_7zip(work, path)
    run(work.tool, "compact", path)
    qemu_reads(work, path)
    expect_7zip(work, path)
    fixed = work.convert(work.raw, "rewritten-fixed.vhd", "fixed")
    run(work.tool, "resize", fixed, work.size + 100 * MIB + 512)
    run("qemu-img", "compare", "-f", "raw", "-F", "vpc", larger, fixed)
    run(work.tool, "resize", fixed, work.size)
    qemu_reads(work, fixed)


def case_others_read_what_was_committed(work):
    need("qemu-img")
    need("7zz")
    leaf = work.children("commit", 2)
    middle, base = work.path("commit-0.vhd"), work.path("commit-base.vhd")
    run(work.tool, "commit", leaf)
    expect_7zip(work, middle)
    run(work.tool, "commit", "--into", base, "--delete", leaf)
    qemu_reads(work, base)
    expect_7zip(work, base)
    if leaf.exists() or middle.exists():
        sys.exit("commit --delete left something")


def case_failure_leaves_nothing(work):
    before = set(os.listdir(work.folder))
    run(work.tool, "convert", work.folder / "missing.vhd", work.path("x.vhd"), status=1)
    run(work.tool, "create", work.path("x.vhd"), "1000", status=1)
    run(work.tool, "create", work.path("x.vhd"), "ten", status=2)
    run(work.tool, "convert", work.raw, work.raw, status=1)  # the target is there already
    if set(os.listdir(work.folder)) != before:
        sys.exit(f"left behind: {set(os.listdir(work.folder)) - before}")


def case_check_names_each_wrong_entry(work):
    path = work.convert(work.raw, "broken.vhd")
    with open(path, "r+b") as file:
        file.seek(1536)
        file.write(b"\x00\x00\x00\x00\x7f\xff\xff\xff")
    report = json.loads(subprocess.run([work.tool, "check", "--json", path], check=False,
                                       capture_output=True).stdout)
    found = {(one["field"], one["offset"]) for one in report["findings"]}
    if report["sound"] or not {("table entry 0", 1536), ("table entry 1", 1540)} <= found:
        sys.exit(f"check says {report}")
    run(work.tool, "check", path, status=1)


def main():
    bin_folder, case = pathlib.Path(sys.argv[1]).resolve(), globals()["case_" + sys.argv[2]]
    with tempfile.TemporaryDirectory(prefix="viridian-interop-") as folder:
        for size in SIZES:
            case(Work(bin_folder, pathlib.Path(folder), size))


if __name__ == "__main__":
    main()
