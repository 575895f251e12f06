"""The payload: a tiny guest of our own that drives IDE ports and the hypercall page by hand.

It needs no kernel, so it runs on every /dev/kvm, also where a stock kernel does not
(`run --payload`).
"""

import zlib

from machine.images import SECTOR, make_disk, verify
from machine.lab import VMM, Failure, Lab
from machine.paths import BIN

PAYLOAD = BIN / "payload.bin"
LIMIT_S = 60

# payload/ide.c has the same places.
READ_LBA, PIO_WRITE_LBA, DMA_WRITE_LBA, BYTES = 2048, 6144, 6160, 8 * SECTOR
# The first part of each interface's GUID.
OFFERS = {"IDE accelerator": 0x32412632, "SCSI controller": 0xBA6163D9}


def filled(seed: int) -> bytes:
    return bytes((seed + i * 7 + (i >> 8)) & 0xFF for i in range(BYTES))


def expected_values(content: bytes) -> dict[str, list[int]]:
    at = READ_LBA * SECTOR
    ready = 0x50  # DRDY and DSC: idle, no error
    return {
        "identify_status": [ready], "identify_sectors": [len(content) // SECTOR],
        "pio_read_status": [ready], "pio_read_crc": [zlib.crc32(content[at:at + BYTES])],
        "pio_write_status": [ready], "ide_function": [0x71118086],  # PIIX4
        "dma_read_status": [4], "dma_read_crc": [zlib.crc32(content[at + BYTES:at + 2 * BYTES])],
        "dma_write_status": [4], "flush_status": [ready], "past_end_error": [0x10],
        "hypercall_msr": [0x200001], "vp_index": [0], "unknown_call": [2],
        "unknown_connection": [0x12], "signal_unknown": [0], "initiate_contact": [0],
        "answer": [15], "version_supported": [1], "request_offers": [0], "last_message": [4],
    }


def read_values(lines: list[str]) -> dict[str, list[int]]:
    values: dict[str, list[int]] = {}
    for line in lines:
        name, _, value = line.partition(" 0x")
        if value:
            values.setdefault(name, []).append(int(value, 16))
    return values


def drives_ports_and_hypercalls(lab: Lab) -> None:
    folder = lab.folder("payload")
    disk, other = make_disk(folder, "disk", "dynamic"), make_disk(folder, "other", "raw")
    expected = expected_values(bytes(disk.content))
    outcome = lab.run(folder, [
        str(VMM), "--memory", "64M", "--payload", str(PAYLOAD), "--no-stdin",
        "--disk", f"ide0:0={disk.file.name}", "--disk", f"scsi0:0={other.file.name}"], LIMIT_S)
    values = read_values(outcome.lines)
    wrong = [f"{name} is {values.get(name)}, not {value}" for name, value in expected.items()
             if values.get(name) != value]
    wrong += [f"no offer of the {what}" for what, guid in OFFERS.items()
              if guid not in values.get("offer_type", [])]
    if wrong or outcome.code != 0 or "payload end" not in outcome.lines:
        raise Failure(f"exit code {outcome.code}; {'; '.join(wrong)}; said {outcome.lines}")
    disk.write(PIO_WRITE_LBA * SECTOR, filled(1))
    disk.write(DMA_WRITE_LBA * SECTOR, filled(2))
    verify(disk)
    verify(other)


CASES = {"a payload drives IDE ports and hypercalls": drives_ports_and_hypercalls}
