"""Decides where guests run: on this host if its KVM runs a stock kernel, else in a nested machine.

The answer comes from a real boot, since no capability of KVM tells: a host that itself runs in a
virtual machine may offer /dev/kvm and stop a stock kernel at some instruction.
VIRIDIAN_GUESTS=native or nested decides by hand.
"""

import os
from pathlib import Path

from .kernel import Kernel
from .lab import VMM, Lab
from .nested import NestedMachine
from .paths import Unavailable
from .place import Host, Place

PROBE_LIMIT_S = 10


def why_no_kvm() -> str | None:
    if not os.path.exists("/dev/kvm"):
        return "there is no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "no access to /dev/kvm (the group kvm has it)"
    return None


def why_not_native(kernel: Kernel, session: Path) -> str | None:
    """Why this host cannot run guests, or nothing when it can."""
    if missing := why_no_kvm():
        return missing
    lab = Lab(session, kernel, Host())
    run = lab.boot(lab.folder("probe"), modules="none", limit_s=PROBE_LIMIT_S)
    if run.outcome.code == 0 and run.said("end"):
        return None
    if run.outcome.timed_out:
        return f"a stock kernel did not boot and power off in {PROBE_LIMIT_S} s"
    reason = [line for line in run.outcome.lines if line.strip()]
    # Up to its first semicolon: the rest of the line is advice.
    told = reason[-1].split(";")[0] if reason else f"exit code {run.outcome.code}"
    return f"a stock kernel does not boot: {told}"


def this_host() -> tuple[Place, str]:
    if missing := why_no_kvm():
        raise Unavailable(missing)
    if not VMM.exists():
        raise Unavailable(f"{VMM} is not built; run scripts/setup")
    return Host(), "on this host's /dev/kvm"


def choose_place(kernel: Kernel, session: Path) -> tuple[Place, str]:
    wish = os.environ.get("VIRIDIAN_GUESTS", "auto")
    if wish not in ("auto", "native", "nested"):
        raise Unavailable(f"VIRIDIAN_GUESTS={wish}: known are auto, native and nested")
    if not VMM.exists():
        raise Unavailable(f"{VMM} is not built; run scripts/setup")
    if wish == "native":
        return Host(), f"kernel {kernel.version} on this host's /dev/kvm, as VIRIDIAN_GUESTS says"
    reason = "VIRIDIAN_GUESTS says so" if wish == "nested" else why_not_native(kernel, session)
    if reason is None:
        return Host(), f"kernel {kernel.version} runs on this host's /dev/kvm: it booted there"
    machine = NestedMachine(kernel, session)
    return machine, (f"kernel {kernel.version} in a nested machine, which started in "
                     f"{machine.start_seconds:.0f} s, since {reason}")
