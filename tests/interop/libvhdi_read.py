#!/usr/bin/python3
"""Writes the disk of a VHD, with its parents, to standard output as libvhdi reads it.

Usage: libvhdi_read.py IMAGE. A program of its own, since Debian's python3-libvhdi is for Debian's
Python and the tests may run on another one. Exits 77 without it.
"""
import pathlib
import sys

try:
    import pyvhdi
except ImportError:
    print("missing: python3-libvhdi", file=sys.stderr)
    sys.exit(77)

PIECE_BYTES = 4 << 20


def open_image(path):
    image = pyvhdi.file()
    image.open(str(path))
    return image


def main():
    path = pathlib.Path(sys.argv[1])
    chain = [open_image(path)]
    while chain[-1].get_parent_filename():
        name = chain[-1].get_parent_filename().replace("\\", "/").split("/")[-1]
        chain.append(open_image(path.parent / name))
    for child, parent in reversed(list(zip(chain, chain[1:]))):
        child.set_parent(parent)
    size = chain[0].get_media_size()
    for offset in range(0, size, PIECE_BYTES):
        length = min(PIECE_BYTES, size - offset)
        sys.stdout.buffer.write(chain[0].read_buffer_at_offset(length, offset))


if __name__ == "__main__":
    main()
