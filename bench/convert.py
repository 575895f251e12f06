#!/usr/bin/env python3
"""Measures vhdtool create and convert beside cp and qemu-img on the same files, and prints ratios.

Usage: bench/convert.py [--rounds N] [--folder F] [--size-mib N] [--quick]. Every round runs each
program once, with the targets removed and the disk quiet before; a ratio is of medians, above 1
where vhdtool is faster. Another program is first in each round: on a machine whose host takes free
memory back, the same copy costs two to five times as much when its pages come from such memory, and
whose they are depends on who ran before. "warm" sources are in the page cache, "cold" ones are not.
"sync" counts until the result is on the disk, for all programs alike. Exits 1 if a line is missed.
"""
import argparse
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOL = ROOT / "build" / "bin" / "vhdtool"
MIB = 1 << 20
STRIPE_MIB = 16
MAX_CREATE_MS = 5
NOISE = 0.95  # medians of a shared machine differ by this much when nothing does


def make_sources(folder, size_mib):
    """Half of the disk is data, in stripes."""
    sparse = folder / "sparse.img"
    with open(sparse, "wb") as file:
        file.truncate(size_mib * MIB)
        for start in range(0, size_mib, 2 * STRIPE_MIB):
            file.seek(start * MIB)
            file.write(random.randbytes(STRIPE_MIB * MIB))
    full = folder / "full.img"  # the same bytes, the zeroes written out
    subprocess.run(["cp", "--sparse=never", sparse, full], check=True)
    run([TOOL, "convert", sparse, folder / "dynamic.vhd"])
    run(["qemu-img", "convert", "-O", "vpc", "-o", "force_size", sparse, folder / "qemu.vhd"])
    return sparse, full


def run(command, sync=None):
    begin = time.monotonic()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    if sync:
        fd = os.open(sync, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    return time.monotonic() - begin


def evict(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def warm(path):
    with open(path, "rb") as file:
        while file.read(8 * MIB):
            pass


def qemu(source_format, target_format, *options):
    return lambda source, target: ["qemu-img", "convert", "-f", source_format, "-O", target_format,
                                   *options, source, target]


def ours(*options):
    return lambda source, target: [TOOL, "convert", *options, source, target]


def cp(how):
    return lambda source, target: ["cp", f"--sparse={how}", source, target]


class Case:
    """What is measured: our command first, and which source each program reads."""

    def __init__(self, name, sources, programs, cold=False, sync=False):
        self.name, self.sources, self.programs = name, sources, programs
        self.cold, self.sync = cold, sync

    def round(self, folder, number):
        times = {}
        names = list(self.programs)
        first = number % len(names)
        for name in names[first:] + names[:first]:
            command, source = self.programs[name]
            path, target = self.sources[source], folder / f"target-{source}.vhd"
            target.unlink(missing_ok=True)
            subprocess.run(["sync", "-f", folder], check=True)
            (evict if self.cold else warm)(path)
            needs_sync = self.sync and name != "vhdtool"  # which syncs by itself
            times[name] = run(command(path, target), target if needs_sync else None)
            target.unlink()
        return times


def cases(sources):
    to_dynamic, to_raw, to_fixed = ours(), ours("--to", "raw"), ours("--to", "fixed")
    no_sync = {"dynamic": ours("--no-sync"), "raw": ours("--no-sync", "--to", "raw"),
               "fixed": ours("--no-sync", "--to", "fixed")}

    def case(name, our_command, source, theirs, **how):
        programs = {"vhdtool": (our_command, source), **theirs}
        return Case(name, sources, programs, **how)

    raw_cp = {"cp": (cp("always"), "sparse"), "cp auto": (cp("auto"), "sparse")}
    full_cp = {"cp": (cp("always"), "full")}
    to_vpc = {"qemu-img": (qemu("raw", "vpc"), "sparse")}
    from_vpc = {"qemu-img": (qemu("vpc", "raw"), "qemu")}
    to_vpc_fixed = {"qemu-img": (qemu("raw", "vpc", "-o", "subformat=fixed,force_size"), "sparse")}
    direct_to = {"qemu-img": (qemu("raw", "vpc", "-t", "none", "-T", "none", "-W", "-m", "16"),
                              "sparse")}
    direct_from = {"qemu-img": (qemu("vpc", "raw", "-t", "none", "-T", "none", "-W", "-m", "16"),
                                "qemu")}
    full_vpc = {"qemu-img": (qemu("raw", "vpc"), "full")}
    for cold in (False, True):
        yield case("raw to dynamic", no_sync["dynamic"], "sparse", {**raw_cp, **to_vpc}, cold=cold)
        yield case("dynamic to raw", no_sync["raw"], "dynamic", {**raw_cp, **from_vpc}, cold=cold)
    yield case("raw to dynamic", to_dynamic, "sparse", {**raw_cp, **to_vpc}, sync=True)
    yield case("dynamic to raw", to_raw, "dynamic", {**raw_cp, **from_vpc}, sync=True)
    yield case("raw to fixed", no_sync["fixed"], "sparse", {**raw_cp, **to_vpc_fixed})
    yield case("raw to fixed", to_fixed, "sparse", {**raw_cp, **to_vpc_fixed}, sync=True)
    yield case("raw of written zeroes to dynamic", no_sync["dynamic"], "full",
               {**full_cp, **full_vpc})
    yield case("raw to dynamic, direct", ours("--direct"), "sparse", direct_to, cold=True,
               sync=True)
    yield case("dynamic to raw, direct", ours("--direct", "--to", "raw"), "dynamic", direct_from,
               cold=True, sync=True)


def measure_convert(folder, size_mib, rounds):
    sparse, full = make_sources(folder, size_mib)
    sources = {"sparse": sparse, "full": full, "dynamic": folder / "dynamic.vhd",
               "qemu": folder / "qemu.vhd"}
    print(f"{'job':34} {'source':5} {'until':5} {'vhdtool':>9} " + " ".join(
        f"{name:>8}" for name in ("cp", "cp auto", "qemu-img")) + "   (MB/s of data; ratios)")
    missed = []
    for case in cases(sources):
        times = {name: [] for name in case.programs}
        case.round(folder, 0)  # the first one fills caches and the file system's free lists
        for number in range(rounds):
            for name, seconds in case.round(folder, number).items():
                times[name].append(seconds)
        median = {name: statistics.median(all_) for name, all_ in times.items()}
        ratio = {name: median[name] / median["vhdtool"] for name in times if name != "vhdtool"}
        how = ("cold" if case.cold else "warm", "sync" if case.sync else "exit")
        rate = size_mib / 2 * MIB / median["vhdtool"] / 1e6
        columns = " ".join(f"{ratio[name]:7.2f}x" if name in ratio else " " * 8
                           for name in ("cp", "cp auto", "qemu-img"))
        ok = all(ratio[name] >= NOISE for name in ("cp", "qemu-img") if name in ratio)
        print(f"{case.name:34} {how[0]:5} {how[1]:5} {rate:9.0f} {columns}"
              + ("" if ok else "   MISSED"), flush=True)
        if not ok:
            missed.append(case.name)
    return missed


def measure_create(folder, rounds):
    missed = []
    start = statistics.median(run([TOOL, "--version"]) for _ in range(rounds)) * 1000
    print(f"{'vhdtool --version, for comparison':40} {start:7.2f} ms")
    for kind, size in (("dynamic", "20G"), ("dynamic", "2040G"), ("fixed", "2040G")):
        times = []
        for _ in range(rounds):
            path = folder / "created.vhd"
            path.unlink(missing_ok=True)
            times.append(run([TOOL, "create", "--type", kind, path, size]) * 1000)
        ok = statistics.median(times) <= MAX_CREATE_MS + start
        print(f"create {kind + ' ' + size:33} {statistics.median(times):7.2f} ms   line "
              f"<= {MAX_CREATE_MS} ms and the start of a process: {'met' if ok else 'MISSED'}")
        if not ok:
            missed.append(f"create {kind} {size}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the files are made")
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 256 MiB")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.size_mib = 3, 256
    if shutil.which("qemu-img") is None:
        print("not measured: qemu-img is missing (scripts/install-packages)")
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = pathlib.Path(name)
        missed = measure_create(folder, 3 * options.rounds)
        missed += measure_convert(folder, options.size_mib, options.rounds)
    print("missed: " + ("; ".join(missed) if missed else "none"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
