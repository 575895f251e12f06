"""The table: what the same reads and writes cost on each path, from vmm-minimal's own counters.

Each path is booted twice, without the requests and with them; the difference is what they cost. So
probing and the rest of the boot cancel out, and nothing is timed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from machine.images import KIB, MIB, make_disk, random_bytes
from machine.lab import Failure, GuestRun, Lab

from .screen import Screen

REQUEST = 10 * KIB
READS = WRITES = 40
REQUESTS = READS + WRITES
AT = 2 * MIB

Stats = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Path:
    name: str
    disk: str  # the label of the disk that is used
    driver: str
    modules: str
    append: str = ""
    at_once: int = 1


STAY_ON_IDE = "ata_piix.prefer_ms_hyperv=0"
PATHS = (
    Path("IDE, PIO", "boot", "ata_piix", "ide", f"{STAY_ON_IDE} libata.dma=0"),
    Path("IDE, bus-master DMA", "boot", "ata_piix", "ide", STAY_ON_IDE),
    Path("StorVSP, IDE accelerator", "boot", "storvsc_host", "storage"),
    Path("StorVSP, SCSI", "data", "storvsc_host", "storage"),
    Path("StorVSP, SCSI, 8 at once", "data", "storvsc_host", "storage", at_once=8),
)


@dataclass
class Cost:
    exits: int
    doorbells: int
    interrupts: int

    def __sub__(self, other: "Cost") -> "Cost":
        # Two boots may differ by a message or two: never below nothing.
        return Cost(*(max(mine - theirs, 0) for mine, theirs in (
            (self.exits, other.exits), (self.doorbells, other.doorbells),
            (self.interrupts, other.interrupts))))


def total(stats: Stats, groups: str, *names: str) -> int:
    """The sum of these counters in every group whose name begins with `groups`."""
    return sum(values.get(name, 0) for group, values in stats.items() if group.startswith(groups)
               for name in names)


def cost_of(stats: Stats) -> Cost:
    """Exits: every access to the IDE ports, and every doorbell, message and MSR of VMBus that had
    to go to user space. Doorbells that an ioeventfd took, in the kernel, stand beside them."""
    exits = total(stats, "device ide", "reads", "writes", "string_reads", "string_writes")
    exits += total(stats, "hypercalls", "post_message", "signal_event_by_exit", "missed_doorbells")
    exits += total(stats, "synic", "end_of_messages")
    interrupts = total(stats, "interrupts", "ide0", "ide1") + total(stats, "synic", "interrupts")
    return Cost(exits, total(stats, "storvsp", "wakes"), interrupts)


def io_script(at_once: int) -> str:
    """Several programs, each with its share of the requests, write a piece of the disk and read it
    back."""
    length = WRITES // at_once * REQUEST
    script = ""
    for way, file in (("write", "/data"), ("read", "/tmp/back.$i")):
        script += f"""
for i in $(seq {at_once}); do
  check "{way}" guestio {way} /dev/$disk $(({AT} + i * {length})) {length} {REQUEST} {file} &
done
wait
"""
    return script + f'for i in $(seq {at_once}); do check compare cmp /data /tmp/back.$i; done\n'


def measure(lab: Lab, path: Path, requests: bool) -> GuestRun:
    folder = lab.folder(f"cost_{len(list(lab.session.iterdir()))}")
    boot, data = make_disk(folder, "boot", "dynamic"), make_disk(folder, "data", "dynamic")
    script = f"expect_disk {path.disk} {path.driver}\n"
    if requests:
        script += io_script(path.at_once)
    run = lab.boot(folder, [f"ide0:0={boot.file.name}", f"scsi0:0={data.file.name}"], script=script,
                   modules=path.modules, append=path.append,
                   files={"data": random_bytes("cost", WRITES // path.at_once * REQUEST)})
    if run.said("fail") or not run.said("end") or run.outcome.code != 0:
        raise Failure(f"{path.name}: the guest failed; all it said: {run.log}")
    return run


def show(screen: Screen, lab: Lab) -> None:
    screen.step(f"What a request costs: {WRITES} writes and {READS} reads of {REQUEST // KIB} KiB")
    screen.say("One after another, where nothing else is said.")
    rows = []
    idle: dict[str, Cost] = {}
    for path in PATHS:
        system = path.modules + path.append
        if system not in idle:
            idle[system] = cost_of(measure(lab, path, requests=False).stats)
        cost = cost_of(measure(lab, path, requests=True).stats) - idle[system]
        rows.append([path.name, *(f"{number / REQUESTS:.2f}" for number in
                                  (cost.exits, cost.doorbells, cost.interrupts))])
        screen.say(f"measured {path.name}")
    screen.say("")
    screen.table(["per request", "exits to user space", "doorbells (in the kernel)", "interrupts"],
                 rows)
