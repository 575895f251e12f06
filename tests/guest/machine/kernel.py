"""The stock Debian kernel that guests run: downloaded, unpacked into the cache, never installed.

`apt-get download` needs no root. A kernel that was unpacked once is used again without asking apt,
so a second run starts at once and needs no network; remove build/guest/kernel to take a newer one.
VIRIDIAN_KERNEL_DEB names a package file to use instead of a download.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .paths import CACHE, Unavailable

META_PACKAGE = "linux-image-amd64"
DOWNLOAD_LIMIT_S = 300


@dataclass(frozen=True)
class Kernel:
    version: str
    image: Path
    modules: Path


def find_kernel(root: Path) -> Kernel | None:
    images = sorted(root.glob("boot/vmlinuz-*"))
    if not images:
        return None
    version = images[-1].name.removeprefix("vmlinuz-")
    # A Debian with merged /usr may ship the modules under either name.
    for lib in ("lib", "usr/lib"):
        modules = root / lib / "modules" / version
        if modules.is_dir():
            return Kernel(version, images[-1], modules)
    return None


def run_apt(arguments: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True,
                              timeout=DOWNLOAD_LIMIT_S, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise Unavailable(f"{arguments[0]} is not here; the guest tests need a Debian 12 machine, "
                          "or VIRIDIAN_KERNEL_DEB=<linux-image-*.deb>") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"'{' '.join(arguments)}' took more than {DOWNLOAD_LIMIT_S} s") from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"'{' '.join(arguments)}' failed: {reason} "
                          "(try 'apt-get update', or set VIRIDIAN_KERNEL_DEB=<linux-image-*.deb>)")
    return done.stdout


def download_package(folder: Path) -> Path:
    depends = run_apt(["apt-cache", "depends", META_PACKAGE], folder)
    match = re.search(r"Depends: (linux-image-\d[^\s]*)", depends)
    if match is None:
        raise Unavailable(f"apt knows no {META_PACKAGE}; run 'apt-get update' first")
    # apt's own sandbox user may not be allowed to write into the build folder.
    run_apt(["apt-get", "-o", "APT::Sandbox::User=root", "-q", "download", match.group(1)], folder)
    return next(folder.glob("linux-image-*.deb"))


def stock_kernel() -> Kernel:
    root = CACHE / "kernel"
    known = find_kernel(root)
    if known is not None:
        return known
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="kernel-") as name:
        folder = Path(name)
        given = os.environ.get("VIRIDIAN_KERNEL_DEB")
        package = Path(given).resolve() if given else download_package(folder)
        unpacked = folder / "root"
        try:
            subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True)
        except (OSError, subprocess.CalledProcessError):
            raise Unavailable(f"{package}: dpkg-deb cannot unpack it") from None
        if find_kernel(unpacked) is None:
            raise Unavailable(f"{package}: holds no kernel with its modules")
        shutil.rmtree(root, ignore_errors=True)
        unpacked.chmod(0o755)
        unpacked.rename(root)
    found = find_kernel(root)
    assert found is not None
    return found
