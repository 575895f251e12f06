#!/usr/bin/env python3
"""Kills vhdtool in the middle of what changes images in place, again and again.

Usage: kill_test.py BIN_FOLDER CASE. CASE: compact, resize, commit, write, in_place,
in_place_to_raw. After each kill the images are read by the specification alone, without repair, and
hold the old disk or the new one; then the same command is started again, succeeds, and its result
is right. VIRIDIAN_KILLS: how often, 334 of each by default, and a fourth of that of write, whose
ring the kernel is slow to take down. The moment of a kill is random, within a time that follows how
long the command takes: shorter when it ended before, longer when it had not begun to write.
convert --in-place is too short for that: strace kills it before each of its calls in turn; skipped
(77) where strace may not do that.
"""
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from vhd_bytes import Image, SECTOR, copy, good_footer, read_chain

BLOCK = 4096
IN_USE = 3  # vhdtool's exit code
SKIP = 77
# Which change something, and what comes between them.
CALLS = ["pwrite64", "ftruncate", "fsync", "renameat2", "openat", "close", "fcntl", "write"]
SIZE = 4 << 20


class Case:
    def __init__(self, tool, folder, chance):
        self.tool, self.folder, self.chance = tool, folder, chance
        self.prepared = folder / "prepared"
        self.prepared.mkdir()

    def create(self, *arguments):
        subprocess.run([self.tool, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    def fill(self, path, count, zeroes):
        """Gives `count` blocks random sectors; the part `zeroes` of them hold only zeroes."""
        image = Image(path)
        for index in self.chance.sample(range(image.blocks), count):
            number = self.chance.randint(1, BLOCK // SECTOR)
            empty = self.chance.random() < zeroes
            image.put_block(index, {
                sector: bytes(SECTOR) if empty else self.chance.randbytes(SECTOR)
                for sector in self.chance.sample(range(BLOCK // SECTOR), number)})
        image.save()

    def reset(self):
        for name in self.names:
            copy(self.prepared / name, self.folder / name)

    def paths(self):
        return [self.folder / name for name in self.names]

    def is_done(self):
        """The killed command had come to its end; it is not started again."""
        return False

    def expect(self, condition, text):
        if not condition:
            sys.exit(f"{text}; the images are in {self.folder}")


class Compact(Case):
    names = ["disk.vhd"]

    def prepare(self):
        self.create("create", "--block-size", BLOCK, self.prepared / "disk.vhd", SIZE)
        self.fill(self.prepared / "disk.vhd", 500, 0.4)
        self.model = read_chain([self.prepared / "disk.vhd"])

    def command(self):
        return ["compact", self.folder / "disk.vhd"]

    def check_cut(self):
        self.expect(read_chain(self.paths()) == self.model, "another disk after a kill")

    def check_end(self):
        self.check_cut()
        image = Image(self.folder / "disk.vhd")
        ideal = 2048 + 4 * image.blocks + 4608 * sum(entry != 0xFFFFFFFF for entry in image.table)
        self.expect(len(image.data) <= 1.01 * ideal, f"{len(image.data)} bytes, not {ideal}")
        for index, entry in enumerate(image.table):
            self.expect((entry != 0xFFFFFFFF) == any(
                self.model[index * BLOCK:(index + 1) * BLOCK]), f"block {index}")


class Resize(Case):
    names = ["disk.vhd"]
    sizes = [64 << 20, 512 << 20, SIZE - 512, SIZE // 2]

    def prepare(self):
        self.create("create", "--block-size", BLOCK, self.prepared / "disk.vhd", SIZE)
        self.fill(self.prepared / "disk.vhd", 500, 0.1)
        self.model = read_chain([self.prepared / "disk.vhd"])

    def reset(self):
        super().reset()
        self.size = self.chance.choice(self.sizes)

    def command(self):
        return ["resize", "--shrink", self.folder / "disk.vhd", self.size]

    def check_cut(self):
        image = Image(self.folder / "disk.vhd")
        self.expect(image.size in (SIZE, self.size), f"a size of {image.size} bytes")
        common = min(SIZE, image.size)
        image.size, image.table = min(image.size, 2 * SIZE), image.table[:2 * SIZE // BLOCK]
        disk = image.overlay(b"")
        self.expect(disk[:common] == self.model[:common], "another disk after a kill")
        self.expect(not any(disk[common:]), "new space is not zero")

    def check_end(self):
        self.expect(Image(self.folder / "disk.vhd").size == self.size, "the old size at the end")
        self.check_cut()


class Commit(Case):
    names = ["child.vhd", "base.vhd"]

    def prepare(self):
        base, child = self.prepared / "base.vhd", self.prepared / "child.vhd"
        self.create("create", "--block-size", BLOCK, base, SIZE)
        self.fill(base, 300, 0.1)
        self.create("snapshot", "--block-size", BLOCK, "--size", SIZE + (1 << 20), base, child)
        self.fill(child, 300, 0.3)
        self.model = read_chain([child, base])

    def reset(self):
        super().reset()
        self.option = self.chance.choice([[], ["--keep"]])

    def command(self):
        return ["commit", *self.option, self.folder / "child.vhd"]

    def check_cut(self):
        self.expect(read_chain(self.paths()) == self.model, "another disk after a kill")

    def check_end(self):
        self.check_cut()
        parent = read_chain(self.paths()[1:])
        self.expect(parent == self.model, "the parent is not the child's disk")
        left = sum(entry != 0xFFFFFFFF for entry in Image(self.folder / "child.vhd").table)
        self.expect((left == 0) == (not self.option), f"the child has {left} blocks")


class Write(Case):
    """What a killed writer leaves: a file that has grown ahead, with old footers between blocks."""
    names = ["disk.vhd"]

    def prepare(self):
        disk = self.prepared / "disk.vhd"
        self.create("create", "--block-size", BLOCK, disk, SIZE)
        self.fill(disk, 100, 0.1)
        self.before = read_chain([disk])
        self.new = self.chance.randbytes(SIZE)
        (self.folder / "new").write_bytes(self.new)

    def command(self):
        return ["dd", "write", self.folder / "disk.vhd", self.folder / "new"]

    def expect_old_or_new(self, disk):
        for at in range(0, SIZE, SECTOR):
            sector = disk[at:at + SECTOR]
            self.expect(sector in (self.before[at:at + SECTOR], self.new[at:at + SECTOR]),
                        f"what was never written at {at}")

    def check_cut(self):
        path = self.folder / "disk.vhd"
        # The kernel takes a killed process's ring down behind its back, and the lock with it.
        while subprocess.run([self.tool, "check", path], capture_output=True, timeout=120,
                             check=False).returncode == IN_USE:
            pass
        disk = read_chain([path])
        self.expect_old_or_new(disk)
        self.create("check", path)  # finds nothing wrong, or the case ends here
        self.create("repair", path)
        self.create("check", path)
        self.expect(read_chain([path]) == disk, "repair changed the disk")

    def check_end(self):
        self.expect(read_chain(self.paths()) == self.new, "not what was written")


class InPlace(Case):
    """A raw disk gets a footer and another name."""
    source, target, kind = "disk.img", "disk.vhd", "fixed"
    names = [source]
    changed = 0

    def prepare(self):
        self.model = self.chance.randbytes(SIZE)
        (self.prepared / "disk.img").write_bytes(self.model)

    def reset(self):
        super().reset()
        self.size_before = self.paths()[0].stat().st_size
        (self.folder / self.target).unlink(missing_ok=True)

    def paths(self):
        return [path for path in (self.folder / self.source, self.folder / self.target)
                if path.exists()]

    def command(self):
        return ["convert", "--in-place", *self.options(), "--to", self.kind,
                self.folder / self.source, self.folder / self.target]

    def options(self):
        return []

    def is_done(self):
        return not (self.folder / self.source).exists()

    def check_cut(self):
        self.expect(len(self.paths()) == 1, "one file, under one name")
        data = self.paths()[0].read_bytes()
        self.expect(data[:SIZE] == self.model, "another disk after a kill")
        self.expect(len(data) == SIZE or good_footer(data[SIZE:]), "a part of a footer")
        if self.is_done():
            self.check_end()

    def check_end(self):
        data = (self.folder / self.target).read_bytes()
        self.expect(self.is_done() and data[:SIZE] == self.model, "another disk at the end")
        if self.kind == "fixed":
            self.expect(good_footer(data[SIZE:]), "no footer, or two")
            self.create("check", self.folder / self.target)
        else:
            self.expect(len(data) == SIZE, "something behind the disk")


class InPlaceToRaw(InPlace):
    """A fixed image loses its footer, and gets another name."""
    source, target, kind = "disk.vhd", "disk.img", "raw"
    names = [source]

    def options(self):
        """Without its footer a file whose name ends in .vhd is raw only if one says so."""
        return ["--format", "raw"] if self.paths()[0].stat().st_size == SIZE else []

    def prepare(self):
        super().prepare()
        self.create("convert", "--in-place", "--to", "fixed", self.prepared / "disk.img",
                    self.prepared / "disk.vhd")


def start(case):
    return subprocess.Popen([case.tool, *map(str, case.command())], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def finish(case, process, when):
    _, error = process.communicate(timeout=120)
    case.expect(process.returncode == 0,
                f"{when}: exit code {process.returncode}: {error.decode()}")


def kill_at_each_call(case):
    if shutil.which("strace") is None:
        print("missing: strace")
        sys.exit(SKIP)
    killed = 0
    for call in CALLS:
        for when in itertools.count(1):
            case.reset()
            inject = f"inject={call}:signal=SIGKILL:when={when}"
            done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", inject, case.tool,
                                   *map(str, case.command())], capture_output=True, timeout=120,
                                  check=False)
            if done.returncode == 0:
                break
            if done.returncode not in (-signal.SIGKILL, 128 + signal.SIGKILL):
                print(f"missing: a strace that may trace: {done.stderr.decode()}")
                sys.exit(SKIP)
            killed += 1
            case.changed += case.paths()[0].stat().st_size != case.size_before
            case.check_cut()
            if not case.is_done():
                finish(case, start(case), "started again")
            case.check_end()
        case.check_end()
    print(f"killed at each of {killed} calls, {case.changed} of them after the first change")
    case.expect(case.changed >= 2, "no kill came between the file's new size and its new name")


def main():
    tool = pathlib.Path(sys.argv[1]) / "vhdtool"
    kinds = {"compact": Compact, "resize": Resize, "commit": Commit, "write": Write,
             "in_place": InPlace, "in_place_to_raw": InPlaceToRaw}
    kills = int(os.environ.get("VIRIDIAN_KILLS", "334"))
    kills = kills // 4 if sys.argv[2] == "write" else kills
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        chance = random.Random(sys.argv[2])
        case = kinds[sys.argv[2]](tool, pathlib.Path(name), chance)
        case.prepare()
        if isinstance(case, InPlace):
            kill_at_each_call(case)
            return
        window, changed, killed, tries = 0.0, 0, 0, 0
        while killed < kills:
            tries += 1
            case.expect(tries <= 10 * kills + 100, "the command is too quick to be killed")
            case.reset()
            if tries == 1:  # left alone: how long does it take?
                began = time.monotonic()
                finish(case, start(case), "left alone")
                window = time.monotonic() - began
                case.check_end()
                continue
            before = [path.read_bytes() for path in case.paths()]
            process = start(case)
            time.sleep(chance.random() * window)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            if process.returncode == 0:
                window *= 0.95
                continue
            killed += 1
            case.check_cut()
            wrote = [path.read_bytes() for path in case.paths()] != before
            changed += wrote
            window *= 1.0 if wrote else 1.03
            if not case.is_done():
                finish(case, start(case), "started again")
            case.check_end()
            if killed % 50 == 0:
                for path in case.paths():
                    case.create("check", path)
        print(f"{killed} kills, {changed} of them after the first change")
        case.expect(changed >= kills // 20, "hardly any kill came in the middle")


if __name__ == "__main__":
    main()
