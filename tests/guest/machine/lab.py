"""What a guest case works with: a folder, the place to run, and boots of the tested guest."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import initramfs
from .kernel import Kernel
from .paths import BIN, GUEST_TESTS
from .place import LineSink, Outcome, Place

VMM = BIN / "vmm-minimal"
BOOT_LIMIT_S = 30  # on hardware virtualization; a place says how many times slower it is

IDE = ["libata", "ata_piix", "crct10dif_generic", "sd_mod"]
VMBUS = [*IDE, "hv_vmbus", "hv_utils"]
STORAGE = [*IDE, "hv_vmbus", "hv_utils", "hv_storvsc"]
ROOT = [*STORAGE, "crc32c_generic", "ext4"]
NET = ["tulip", "8021q"]
SYNTHETIC_NET = ["hv_vmbus", "hv_utils", "hv_netvsc", *NET]
MODULE_LISTS = {"ide_only": IDE, "ide": VMBUS, "storage": STORAGE,
                "cdrom": [*STORAGE, "sr_mod"], "root": ROOT, "net": NET,
                "synthetic_net": SYNTHETIC_NET}

SHOWN = 30  # problems in a case's verdict
MARK = "VIRIDIAN "
STATS = "stats.json"
# quiet: each character on the serial console is an exit, and a nested one is slow; the guest prints
# its kernel's warnings at its end. mitigations=off: they are not under test, and slow as well.
KERNEL_LINE = "console=ttyS0 quiet panic=-1 mitigations=off"


class Failure(Exception):
    """A case's verdict; the message says what was seen."""


class Standstill(Failure):
    """A guest in the nested machine stood still until its time was over (docs/guest-tests.md)."""


@dataclass
class GuestRun:
    outcome: Outcome
    log: Path
    stats: dict[str, dict[str, int]]
    nested: bool

    def said(self, word: str) -> list[str]:
        prefix = f"{MARK}{word} "
        return [line.split(prefix, 1)[1] for line in self.outcome.lines if prefix in line]

    def expect_end(self, code: int = 0, allowed: Sequence[str] = ()) -> None:
        """The guest said that all is well, ended by itself, and its kernel did not warn."""
        problems = self.said("fail")
        problems += [f"kernel warning: {line}" for line in self.said("warning")
                     if not any(text in line for text in allowed)]
        if self.outcome.timed_out:
            problems.append(f"did not end within its time ({self.outcome.seconds:.0f} s)")
            problems += [line for line in self.outcome.lines if line.startswith("STUCK")]
        elif self.outcome.code != code:
            problems.append(f"vmm-minimal ended with {self.outcome.code}, not {code}")
        if not self.said("end"):
            problems.append("the guest's init did not come to its end")
        if problems:
            more = f"; {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            last = self.outcome.lines[-1] if self.outcome.lines else "nothing"
            kind = Standstill if self.nested and self.outcome.timed_out else Failure
            raise kind("; ".join(problems[:SHOWN]) + f"{more} (last line: {last}; log: {self.log})")


def guest_image(kernel: Kernel) -> Path:
    """The tested guest's initial RAM file system, without a case."""
    folder = GUEST_TESTS / "guest"
    return initramfs.cached("guest", kernel, folder / "init", MODULE_LISTS,
                            {"lib.sh": folder / "lib.sh", "bin/guestio": BIN / "guestio"})


def read_stats(file: Path) -> dict[str, dict[str, int]]:
    return json.loads(file.read_text()) if file.exists() else {}


class Lab:
    def __init__(self, session: Path, kernel: Kernel | None, place: Place,
                 on_line: LineSink | None = None) -> None:
        self.session = session
        self.kernel = kernel
        self.place = place
        self.on_line = on_line

    def folder(self, name: str) -> Path:
        path = self.session / name
        if path.exists():  # of a guest that stood still
            path.rename(path.with_name(f"{name}_stuck"))
        path.mkdir()
        return path

    def run(self, folder: Path, command: list[str], limit_s: int = BOOT_LIMIT_S) -> Outcome:
        return self.place.run(folder, command, limit_s * self.place.slowness, self.on_line)

    def boot(self, folder: Path, disks: Sequence[str] = (), *, script: str = "", cpus: int = 1,
             modules: str = "storage", append: str = "", files: Mapping[str, bytes] | None = None,
             options: Sequence[str] = (), memory: str = "256M",
             limit_s: int = BOOT_LIMIT_S) -> GuestRun:
        """Boots the tested guest in `folder`; disks are vmm-minimal's --disk arguments."""
        number = len(list(self.session.glob(f"{folder.name}.log.*"))) + 1
        initrd = self._initrd(f"{folder.name}.{number}", script, files)
        command = [str(VMM), "--memory", memory, "--cpus", str(cpus),
                   *self._kernel_options(initrd, modules, append), "--no-stdin",
                   "--stats-json", STATS]
        for disk in disks:
            command += ["--disk", disk]
        outcome = self.run(folder, [*command, *options], limit_s)
        log = self._log(folder, number, command, outcome)
        return GuestRun(outcome, log, read_stats(folder / STATS), self.place.slowness > 1)

    def boot_together(self, folder: Path, configuration: dict[str, Any], *,
                      scripts: Mapping[str, str], files: Mapping[str, bytes], modules: str,
                      host: str = '"$@"', memory: str = "192M",
                      limit_s: int = BOOT_LIMIT_S) -> dict[str, GuestRun]:
        """Boots the guests of a configuration in one vmm-minimal, each with the script of its name.
        `host` is a script that runs vmm-minimal ("$@") in a network namespace of its own."""
        for guest in configuration["guests"]:
            name = guest["name"]
            initrd = self._initrd(f"{folder.name}.{name}", scripts[name], files)
            guest |= {"initrd": str(initrd), "stats-json": f"{name}.{STATS}"}
        (folder / "machines.json").write_text(json.dumps(configuration, indent=1))
        (folder / "host.sh").write_text(host)
        # A user namespace where the tests' user may not make network interfaces.
        rights = [] if os.geteuid() == 0 or self.place.slowness > 1 else ["--map-root-user"]
        command = ["unshare", *rights, "--net", "sh", "host.sh",
                   str(VMM), "--config", "machines.json", "--memory", memory,
                   *self._kernel_options(None, modules, "")]
        outcome = self.run(folder, command, limit_s)
        log = self._log(folder, 1, command, outcome)
        runs = {}
        for name in scripts:
            lines = [line.removeprefix(f"{name}: ") for line in outcome.lines
                     if line.startswith(f"{name}: ") or ": " not in line]
            runs[name] = GuestRun(Outcome(outcome.code, lines, outcome.seconds), log,
                                  read_stats(folder / f"{name}.{STATS}"), self.place.slowness > 1)
        return runs

    def _initrd(self, name: str, script: str, files: Mapping[str, bytes] | None) -> Path:
        assert self.kernel is not None
        initrd = self.session / f"{name}.initrd"
        extra = initramfs.extra_files({"case.sh": script.encode(), **(files or {})})
        initrd.write_bytes(guest_image(self.kernel).read_bytes() + extra)
        return initrd

    def _kernel_options(self, initrd: Path | None, modules: str, append: str) -> list[str]:
        assert self.kernel is not None
        line = f"{KERNEL_LINE} viridian.modules={modules} {append}".strip()
        return ["--kernel", str(self.kernel.image), "--append", line,
                *(["--initrd", str(initrd)] if initrd else [])]

    def _log(self, folder: Path, number: int, command: Sequence[str], outcome: Outcome) -> Path:
        log = self.session / f"{folder.name}.log.{number}"
        log.write_text(f"$ {shlex.join(command)}\n" + "\n".join(outcome.lines) + "\n")
        return log
