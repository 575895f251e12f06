"""Disk images for the cases, and what their disks must hold: made and verified outside the guest.

A disk is known to the guest by a label in its first sector. Its content comes from seeded random
bytes, so every program that reads it can be held against the same model.
"""

import hashlib
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .lab import Failure
from .paths import BIN

SECTOR = 512
KIB, MIB = 1 << 10, 1 << 20
DISK_BYTES = 24 * MIB
BLOCK_BYTES = 2 * MIB  # of a dynamic VHD
VHDTOOL, IMAGE_WRITE = BIN / "vhdtool", BIN / "image_write"
TOOL_LIMIT_S = 120
KINDS = ("raw", "fixed", "dynamic", "differencing")

# Where every disk holds data before the guest sees it: (offset, length). Beside plain places, one
# that crosses the border of two blocks, and the disk's last sectors.
FILLED = ((SECTOR, 7 * SECTOR), (1 * MIB, 128 * KIB), (BLOCK_BYTES - 5 * KIB, 10 * KIB),
          (DISK_BYTES - 64 * KIB, 64 * KIB))
# What the differencing images in the middle of a chain change, each in part over its parent's data.
CHAIN_WRITES = ((1 * MIB + 64 * KIB, 72 * KIB), (BLOCK_BYTES - 2 * SECTOR, 3 * SECTOR))


def tool(*arguments: object) -> str:
    command = [str(argument) for argument in arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_LIMIT_S)
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip() or "nothing"
        raise Failure(f"'{' '.join(command)}' ended with {done.returncode} and said: {said}")
    return done.stdout


def random_bytes(seed: str, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


@dataclass
class Disk:
    label: str
    kind: str
    file: Path
    content: bytearray
    chain: list[Path] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        self.content[offset:offset + len(data)] = data

    def sha256(self, offset: int, length: int) -> str:
        return hashlib.sha256(self.content[offset:offset + length]).hexdigest()


def make_disk(folder: Path, label: str, kind: str) -> Disk:
    content = bytearray(DISK_BYTES)
    disk = Disk(label, kind, folder / f"{label}.{'img' if kind == 'raw' else 'vhd'}", content)
    disk.write(0, f"VIRIDIAN {label}\n".encode())
    for offset, length in FILLED:
        disk.write(offset, random_bytes(f"{label} {offset}", length))
    raw = disk.file if kind == "raw" else folder / f"{label}.raw"
    raw.write_bytes(content)
    if kind == "differencing":
        make_chain(folder, raw, disk)
    elif kind != "raw":
        tool(VHDTOOL, "convert", "--to", kind, raw, disk.file)
    if kind != "raw":
        raw.unlink()
    return disk


def make_chain(folder: Path, raw: Path, disk: Disk) -> None:
    """A dynamic base and three differencing images, the last of which is the guest's and empty."""
    parent = folder / f"{disk.label}-base.vhd"
    tool(VHDTOOL, "convert", "--to", "dynamic", raw, parent)
    disk.chain.append(parent)
    for number, (offset, length) in enumerate(CHAIN_WRITES, 1):
        child = folder / f"{disk.label}-{number}.vhd"
        tool(VHDTOOL, "snapshot", parent, child)
        data = random_bytes(f"{disk.label} chain {number}", length)
        disk.write(offset, data)
        piece = folder / "piece"
        piece.write_bytes(data)
        tool(IMAGE_WRITE, child, offset, piece)
        piece.unlink()
        disk.chain.append(child)
        parent = child
    tool(VHDTOOL, "snapshot", parent, disk.file)


def verify(disk: Disk) -> None:
    """The image is sound, and each program that can read it sees exactly the model's bytes."""
    if disk.kind != "raw":
        tool(VHDTOOL, "check", disk.file)
    converted = disk.file.with_suffix(".check")

    def compare(reader: str) -> None:
        seen = converted.read_bytes()
        converted.unlink()
        if seen != disk.content:
            at = next((i for i in range(0, DISK_BYTES, SECTOR)
                       if seen[i:i + SECTOR] != disk.content[i:i + SECTOR]), len(seen))
            raise Failure(f"{disk.file}: {reader} reads other bytes at {at} than were written")

    if disk.kind == "raw":
        converted.write_bytes(disk.file.read_bytes())
        compare("a plain read")
        return
    tool(VHDTOOL, "convert", "--to", "raw", disk.file, converted)
    compare("vhdtool")
    if disk.kind == "differencing":
        with converted.open("wb") as output:
            subprocess.run(["7zz", "x", "-so", "-tVHD", str(disk.file)], stdout=output, check=True,
                           stderr=subprocess.DEVNULL, timeout=TOOL_LIMIT_S)
        compare("7-Zip")
    else:
        tool("qemu-img", "convert", "-f", "vpc", "-O", "raw", disk.file, converted)
        compare("qemu-img")
