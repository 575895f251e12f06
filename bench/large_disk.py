#!/usr/bin/env python3
"""Measures what looking at, and growing, a disk of 2040 GiB costs whose blocks are all there.

Usage: bench/large_disk.py [--rounds N] [--folder F]. The image is sparse: its table names every
block, and the blocks are holes. Times are of whole processes, medians; how long a process takes
that does nothing (vhdtool --version) is shown beside them and belongs to each line. Exits 1 if a
line is missed.
"""
import argparse
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOL = ROOT / "build" / "bin" / "vhdtool"
SECTOR = 512
MAX_LOOK_MS = 30


def run_ms(*arguments):
    begin = time.monotonic()
    subprocess.run([TOOL, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - begin) * 1000


def make_full(path, size):
    """A dynamic disk that has every block, one behind the other, with the footer at the end."""
    subprocess.run([TOOL, "create", path, size], check=True, stdout=subprocess.DEVNULL)
    with open(path, "r+b") as file:
        footer = file.read(SECTOR)
        header_offset, = struct.unpack_from(">Q", footer, 16)
        file.seek(header_offset)
        table_offset, _, entries, block_bytes = struct.unpack_from(">QIII", file.read(1024), 16)
        bitmap_sectors = -(-(block_bytes // SECTOR // 8) // SECTOR)
        block_sectors = bitmap_sectors + block_bytes // SECTOR
        # Data on pages of 4 KiB, as vhdtool itself lays it out.
        padding = -block_sectors % 8
        first = -(-(table_offset + 4 * entries) // 4096) * 8 + 8 - bitmap_sectors
        places = range(first, first + entries * (block_sectors + padding), block_sectors + padding)
        file.seek(table_offset)
        file.write(struct.pack(f">{entries}I", *places))
        file.seek((places[-1] + block_sectors) * SECTOR)
        file.write(footer)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the files are made")
    options = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        full, small = pathlib.Path(name) / "full.vhd", pathlib.Path(name) / "small.vhd"
        make_full(full, "2040G")
        start = statistics.median(run_ms("--version") for _ in range(options.rounds))
        print(f"{'vhdtool --version, for comparison':44} {start:8.2f} ms")
        for command in ("info", "map"):
            run_ms(command, full)
            times = [run_ms(command, full) for _ in range(options.rounds)]
            report(f"{command} of a full disk of 2040 GiB", times, MAX_LOOK_MS + start, missed)
        times = []
        for _ in range(options.rounds):
            small.unlink(missing_ok=True)
            subprocess.run([TOOL, "create", small, "1G"], check=True, stdout=subprocess.DEVNULL)
            times.append(run_ms("resize", small, "2040G"))
        report("resize of an empty disk from 1 to 2040 GiB", times, None, missed)
    print("missed: " + ("; ".join(missed) if missed else "none"))
    return 1 if missed else 0


def report(what, times, line, missed):
    median = statistics.median(times)
    verdict = ""
    if line is not None:
        verdict = f"   line <= {line:.1f} ms: " + ("met" if median <= line else "MISSED")
    print(f"{what:44} {median:8.2f} ms ({min(times):.2f} to {max(times):.2f}){verdict}", flush=True)
    if line is not None and median > line:
        missed.append(what)


if __name__ == "__main__":
    sys.exit(main())
