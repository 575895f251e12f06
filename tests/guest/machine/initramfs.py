"""Builds initial RAM file systems: busybox, chosen kernel modules with what they need, a few files.

A list's order is the order of loading: each module after its dependencies. Those are read from the
modules themselves (.modinfo, "depends="), since an unpacked package has no modules.dep.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from .cpio import CpioArchive
from .kernel import Kernel
from .paths import CACHE, Unavailable

PROGRAMS = ("bin/", "lib")  # programs, and the libraries and the loader that they need
FOLDERS = ("bin", "dev", "proc", "sys", "tmp", "mnt", "modules")


def find_busybox() -> Path:
    path = shutil.which("busybox", path="/bin:/usr/bin")
    if path is None:
        raise Unavailable("busybox is not here; install the Debian package busybox-static")
    content = Path(path).read_bytes()
    # A dynamic program names its loader; without libraries it could not start in the guest.
    if b"/lib64/ld-linux-x86-64.so.2" in content[:4096]:
        raise Unavailable(f"{path} is not static; install the Debian package busybox-static")
    return Path(path)


def module_index(kernel: Kernel) -> dict[str, Path]:
    return {path.stem.replace("-", "_"): path for path in kernel.modules.rglob("*.ko")}


def depends(module: Path) -> list[str]:
    match = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    names = match.group(1).decode().split(",") if match else []
    return [name.replace("-", "_") for name in names if name]


def load_order(kernel: Kernel, wanted: Iterable[str]) -> list[Path]:
    index = module_index(kernel)
    order: list[Path] = []

    def add(name: str) -> None:
        path = index.get(name)
        if path is None:
            raise Unavailable(f"kernel {kernel.version} has no module {name}")
        if path not in order:
            for needed in depends(path):
                add(needed)
            order.append(path)

    for name in wanted:
        add(name.replace("-", "_"))
    return order


def cached(name: str, kernel: Kernel, init: Path, modules: Mapping[str, list[str]],
           files: Mapping[str, Path]) -> Path:
    """The file system in the cache, under a name made of everything that it is built from.

    `modules` maps a list's name to its modules; /modules/<list> holds the paths to load."""
    key = hashlib.sha256(repr((kernel.version, sorted(modules.items()), sorted(files))).encode())
    for path in (init, find_busybox(), *files.values(), Path(__file__)):
        key.update(hashlib.sha256(path.read_bytes()).digest())
    image = CACHE / f"{name}-{key.hexdigest()[:16]}.cpio"
    if not image.exists():
        partial = image.with_suffix(f".{os.getpid()}")
        partial.write_bytes(build(kernel, init.read_bytes(), modules, files))
        partial.rename(image)
    return image


def build(kernel: Kernel, init: bytes, modules: Mapping[str, list[str]],
          files: Mapping[str, Path]) -> bytes:
    archive = CpioArchive()
    for folder in FOLDERS:
        archive.folder(folder)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", find_busybox().read_bytes(), executable=True)
    archive.link("bin/sh", "busybox")
    archive.file("init", init, executable=True)
    packed: set[Path] = set()
    for list_name, wanted in modules.items():
        order = load_order(kernel, wanted)
        for path in order:
            if path not in packed:
                archive.file(f"modules/{path.name}", path.read_bytes())
                packed.add(path)
        lines = "".join(f"/modules/{path.name}\n" for path in order)
        archive.file(f"modules/{list_name}", lines.encode())
    for name, path in files.items():
        archive.file(name, path.read_bytes(), executable=True)
    return archive.finish()


def extra_files(files: Mapping[str, bytes]) -> bytes:
    """An archive to append to another one: Linux unpacks one after the other."""
    archive = CpioArchive()
    folders = {parent for name in files for parent in Path(name).parents if parent != Path(".")}
    for folder in sorted(folders):
        archive.folder(str(folder))
    for name, content in sorted(files.items()):
        archive.file(name, content, executable=name.endswith(".sh") or name.startswith(PROGRAMS))
    return archive.finish()
