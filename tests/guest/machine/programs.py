"""Programs of this host that guests or the nested machine run."""

import re
import shutil
import subprocess
from pathlib import Path

from .paths import Unavailable

PACKAGES = {"hdparm": "hdparm", "smartctl": "smartmontools", "iperf3": "iperf3",
            "ethtool": "ethtool", "tcpdump": "tcpdump", "dnsmasq": "dnsmasq-base"}


def program_path(program: str) -> str:
    path = shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise Unavailable(f"{program} is not here; install the Debian package {PACKAGES[program]}")
    return path


def with_libraries(program: str) -> dict[str, bytes]:
    """A program of this host and the libraries it needs, as files for the guest."""
    path = program_path(program)
    needed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", needed)
    return {f"bin/{program}": Path(path).read_bytes(),
            **{library.lstrip("/"): Path(library).read_bytes() for library in libraries}}
