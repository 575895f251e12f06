"""The machine without disks: it boots and powers off, and its kernel has nothing to warn of."""

from machine.lab import Failure, Lab

from .warnings import ALLOWED


def powers_off(lab: Lab, cpus: int) -> None:
    run = lab.boot(lab.folder(f"power_off_{cpus}"), cpus=cpus, script="note cpus $(nproc)\n")
    run.expect_end(allowed=ALLOWED)
    if run.said("note") != [f"cpus {cpus}"]:
        raise Failure(f"the guest saw {run.said('note')}, not {cpus} CPUs")


CASES = {
    "boots and powers off with 1 CPU": lambda lab: powers_off(lab, 1),
    "boots and powers off with 2 CPUs": lambda lab: powers_off(lab, 2),
}
