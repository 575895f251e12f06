"""Disks of every kind on every path: IDE by PIO and by DMA, the IDE accelerator, SCSI.

In each boot the guest reads what was written outside, in requests of several sizes, writes,
flushes, and reads back; after power-off the images are checked and compared outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from machine.images import (BLOCK_BYTES, CHAIN_WRITES, DISK_BYTES, FILLED, KIB, MIB, SECTOR, Disk,
                            make_disk, random_bytes, verify)
from machine.lab import Failure, Lab

from .warnings import ALLOWED

IDE_ADDRESSES = {"differencing": "ide0:0", "fixed": "ide0:1", "dynamic": "ide1:0", "raw": "ide1:1"}
SCSI_ADDRESSES = {"differencing": "scsi0:0", "fixed": "scsi0:1", "dynamic": "scsi0:7",
                  "raw": "scsi1:0"}

# The last one is more than one IDE command takes.
READ_REQUESTS = (4 * KIB, 10 * KIB, 64 * KIB, 256 * KIB)
# What the guest writes: (offset, length, request). Over data and into holes, over the border of two
# blocks, odd sectors, and the disk's end.
WRITES = ((1 * MIB, 8 * KIB, 4 * KIB), (3 * MIB, 40 * KIB, 10 * KIB),
          (3 * BLOCK_BYTES - 4 * KIB, 8 * KIB, 8 * KIB), (10 * MIB + SECTOR, 3 * SECTOR, SECTOR),
          (DISK_BYTES - 2 * SECTOR, 2 * SECTOR, 2 * SECTOR))
# Not by PIO: KVM hands a string OUT to user space word by word.
LARGE_WRITES = ((12 * MIB, 256 * KIB, 128 * KIB),)


@dataclass(frozen=True)
class Path:
    name: str
    addresses: dict[str, str]
    driver: str  # as the guest's scsi_host names it
    modules: str
    append: str
    way: str  # what the machine's counters must show, and show alone


STAY_ON_IDE = "ata_piix.prefer_ms_hyperv=0"
PIO = Path("ide_pio", IDE_ADDRESSES, "ata_piix", "ide", f"{STAY_ON_IDE} libata.dma=0",
           "PIO")
DMA = Path("ide_dma", IDE_ADDRESSES, "ata_piix", "ide", STAY_ON_IDE, "DMA")
ACCELERATOR = Path("accelerator", IDE_ADDRESSES, "storvsc_host", "storage", "", "VMBus")
SCSI = Path("scsi", SCSI_ADDRESSES, "storvsc_host", "storage", "", "VMBus")


def guest_script(disk: Disk, path: Path, files: dict[str, bytes]) -> str:
    """What the guest does with one disk; adds what it writes to `files` and to the disk's model."""
    name = disk.label
    writes = WRITES if path is PIO else WRITES + LARGE_WRITES
    lines = [f"if expect_disk {name} {path.driver}; then"]
    places = FILLED + (CHAIN_WRITES if disk.kind == "differencing" else ())
    for number, (offset, length) in enumerate(places):
        request = READ_REQUESTS[number % len(READ_REQUESTS)]
        lines.append(f"read_matches '{name}: read {length} at {offset} by {request}' "
                     f"{offset} {length} {request} {disk.sha256(offset, length)}")
    for number, (offset, length, request) in enumerate(writes):
        data = random_bytes(f"{name} write {number}", length)
        files[f"data.{name}.{number}"] = data
        disk.write(offset, data)
        lines.append(f"check '{name}: write {length} at {offset} by {request}' guestio write "
                     f"/dev/$disk {offset} {length} {request} /data.{name}.{number}")
    lines.append(f"check '{name}: flush' guestio flush /dev/$disk")
    for offset, length, request in writes:
        lines.append(f"read_matches '{name}: read back {length} at {offset} by {2 * request}' "
                     f"{offset} {length} {2 * request} {disk.sha256(offset, length)}")
    return "\n".join([*lines, "fi", ""])


def expect_way(path: Path, stats: Mapping[str, Mapping[str, int]]) -> None:
    """vmm-minimal's counters: the requests really came the way that the case is about."""
    def counted(groups: str, *names: str) -> int:
        return sum(values.get(name, 0) for group, values in stats.items()
                   if group.startswith(groups) for name in names)

    seen = {"PIO": counted("ide", "pio_reads", "pio_writes"),
            "DMA": counted("ide", "dma_reads", "dma_writes"),
            "VMBus": counted("storvsp ", "bytes_read", "bytes_written")}
    if [way for way, number in seen.items() if number > 0] != [path.way]:
        raise Failure(f"the disks were used by {seen}, not by {path.way} alone")


def reads_and_writes(lab: Lab, cpus: int, *paths: Path) -> None:
    folder = lab.folder("_".join(path.name for path in paths) + f"_{cpus}")
    disks: list[Disk] = []
    arguments: list[str] = []
    files: dict[str, bytes] = {}
    script = ""
    for path in paths:
        for kind, address in path.addresses.items():
            disk = make_disk(folder, f"{address.replace(':', '.')}-{kind}", kind)
            disks.append(disk)
            arguments.append(f"{address}={disk.file.name}")
            script += guest_script(disk, path, files)
    run = lab.boot(folder, arguments, cpus=cpus, modules=paths[0].modules, files=files,
                   append=paths[0].append, script=script)
    run.expect_end(allowed=ALLOWED)
    expect_way(paths[0], run.stats)
    for disk in disks:
        verify(disk)


CASES = {
    "IDE by PIO, 1 CPU": lambda lab: reads_and_writes(lab, 1, PIO),
    "IDE by PIO, 2 CPUs": lambda lab: reads_and_writes(lab, 2, PIO),
    "IDE by DMA, 1 CPU": lambda lab: reads_and_writes(lab, 1, DMA),
    "IDE by DMA, 2 CPUs": lambda lab: reads_and_writes(lab, 2, DMA),
    "IDE accelerator and SCSI, 1 CPU": lambda lab: reads_and_writes(lab, 1, ACCELERATOR, SCSI),
    "IDE accelerator and SCSI, 2 CPUs": lambda lab: reads_and_writes(lab, 2, ACCELERATOR, SCSI),
}
