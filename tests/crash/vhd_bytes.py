"""Reads and writes small VHDs by the specification alone, so that a test of the tool shares no code
with it. Sparse images only; the whole file is in memory."""
import os
import struct

SECTOR = 512
UNUSED = 0xFFFFFFFF


def checksum(data, at):
    return ~(sum(data) - sum(data[at:at + 4])) & 0xFFFFFFFF


def good_footer(data):
    return (len(data) == SECTOR and data[:8] == b"conectix"
            and struct.unpack_from(">I", data, 64)[0] == checksum(data, 64))


class Image:
    """An image as a program that knows no repair sees it: by the last footer, or else the first."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.data = bytearray(file.read())
        footer = self.data[-SECTOR:]
        if not good_footer(footer):
            footer = self.data[:SECTOR]
        if not good_footer(footer):
            raise ValueError(f"{path}: no good footer")
        self.footer = bytes(footer)
        self.header_at, self.size = struct.unpack_from(">Q", footer, 16)[0], \
            struct.unpack_from(">Q", footer, 48)[0]
        header = self.data[self.header_at:self.header_at + 1024]
        if header[:8] != b"cxsparse" or struct.unpack_from(">I", header, 36)[0] != checksum(
                header, 36):
            raise ValueError(f"{path}: no good header at {self.header_at}")
        self.table_at, _, self.entries, self.block = struct.unpack_from(">QIII", header, 16)
        self.blocks = -(-self.size // self.block)
        self.table = list(struct.unpack_from(f">{self.blocks}I", self.data, self.table_at))
        self.bitmap_bytes = -(-self.block // SECTOR // 8 // SECTOR) * SECTOR
        self.bitmap_bytes = max(self.bitmap_bytes, SECTOR)

    def overlay(self, disk):
        """Puts what this image holds over `disk`, which then has its size."""
        disk = bytearray(disk[:self.size].ljust(self.size, b"\0"))
        for index, entry in enumerate(self.table):
            if entry == UNUSED:
                continue
            at = entry * SECTOR
            bitmap = self.data[at:at + self.bitmap_bytes]
            for sector in range(min(self.block, self.size - index * self.block) // SECTOR):
                if bitmap[sector // 8] >> (7 - sector % 8) & 1:
                    start = at + self.bitmap_bytes + sector * SECTOR
                    place = index * self.block + sector * SECTOR
                    disk[place:place + SECTOR] = self.data[start:start + SECTOR]
        return bytes(disk)

    def put_block(self, index, sectors):
        """Appends a block that holds `sectors`, a map from numbers to 512 bytes."""
        at = len(self.data) - SECTOR
        self.data[at:] = bytes(self.bitmap_bytes + self.block)
        for sector, content in sectors.items():
            self.data[at + sector // 8] |= 0x80 >> sector % 8
            start = at + self.bitmap_bytes + sector * SECTOR
            self.data[start:start + SECTOR] = content
        self.data += self.footer
        self.table[index] = at // SECTOR
        struct.pack_into(">I", self.data, self.table_at + 4 * index, at // SECTOR)

    def save(self):
        with open(self.path, "wb") as file:
            file.write(self.data)


def read_chain(paths):
    """The disk of a chain, the leaf first."""
    disk = b""
    for path in reversed(paths):
        disk = Image(path).overlay(disk)
    return disk


def copy(source, target):
    with open(source, "rb") as file:
        data = file.read()
    with open(target, "wb") as file:
        file.write(data)
    os.utime(target, ns=(os.stat(source).st_atime_ns, os.stat(source).st_mtime_ns))
