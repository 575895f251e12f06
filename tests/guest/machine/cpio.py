"""Writes the "newc" cpio archives that Linux unpacks as its initial RAM file system.

Own code instead of cpio(1): device nodes without root, and the same bytes for the same content.
Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. Nothing is
compressed: unpacking would cost more in a nested machine than reading a few megabytes.
"""

import stat


class CpioArchive:
    def __init__(self) -> None:
        self.data = bytearray()
        self.inode = 0

    def folder(self, name: str) -> None:
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, content: bytes, executable: bool = False) -> None:
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), content)

    def link(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        self._pad(512)
        return bytes(self.data)

    def _entry(self, name: str, mode: int, content: bytes,
               device: tuple[int, int] = (0, 0)) -> None:
        self.inode += 1
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        fields = (self.inode, mode, 0, 0, links, 0, len(content), 0, 0, *device, len(encoded), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields)
        self.data += encoded
        self._pad(4)
        self.data += content
        self._pad(4)

    def _pad(self, alignment: int) -> None:
        self.data += bytes(-len(self.data) % alignment)
