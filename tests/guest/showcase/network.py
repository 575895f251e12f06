"""The network part: two guests on one switch, and what a frame costs on each kind of NIC.

Both guests have a 21140 and a synthetic NIC. They are booted twice, once to bring the NICs up and
once to send a file each way over each kind as well; the difference is the file's.
"""

from dataclasses import dataclass

from machine.images import KIB, random_bytes
from machine.lab import Failure, GuestRun, Lab

from .costs import Cost, total
from .screen import Screen

FILE_BYTES = 512 * KIB
KINDS = {"tulip": "nic0", "netvsp": "nic1"}

SETUP = """
for pair in 1:old 2:new; do
  for path in /sys/class/net/*; do
    [ "$(cat "$path/address")" = "00:15:5d:00:0$number:0${pair%:*}" ] || continue
    ip link set "$(basename "$path")" name "${pair#*:}"
  done
  ip link set "${pair#*:}" up
  ip addr add "10.0.${pair%:*}.$number/24" dev "${pair#*:}"
done
mkfifo /tmp/never
exec 3<> /tmp/never
# Until the other guest listens.
try() {
  tries=0
  until "$@" 2> /dev/null || [ $tries = 60 ]; do tries=$((tries + 1)); usleep 300000; done
}
"""
FIRST = "number=0\n" + SETUP.replace(".$number/", ".100/") + """
try ping -c 1 -w 1 10.0.1.1 > /dev/null
check "ping the other guest, 21140 to 21140" ping -c 1 -w 10 10.0.1.1
check "ping the other guest, NetVSP to NetVSP" ping -c 1 -w 10 10.0.2.1
"""
SECOND = "number=1\n" + SETUP
ASK = """
for net in 1 2; do
  try nc 10.0.$net.1 5000 <&3 > /tmp/$net
  check "receive a file over $([ $net = 1 ] && echo the 21140 || echo NetVSP)" cmp /file /tmp/$net
done
"""
SERVE = """
for net in 1 2; do
  nc -l -p 5000 < /file > /dev/null
done
"""
WAIT = "timeout 200 nc -l -p 9999 > /dev/null\n"
END = "echo end > /tmp/end\ntry nc -w 20 10.0.1.1 9999 < /tmp/end\n"


@dataclass
class Share:
    """Of one NIC of one guest."""
    frames: int
    payload: int
    cost: Cost


def share_of(run: GuestRun, kind: str) -> Share:
    nic = KINDS[kind]
    stats = run.stats
    frames = total(stats, nic, "transmitted", "received")
    payload = total(stats, nic, "transmitted_bytes", "received_bytes")
    if kind == "tulip":
        exits = total(stats, f"device {nic}", "reads", "writes")
        doorbells = total(stats, nic, "transmit_demands", "receive_demands")
        return Share(frames, payload, Cost(exits, doorbells, total(stats, nic, "interrupts")))
    exits = total(stats, "hypercalls", "post_message", "signal_event_by_exit", "missed_doorbells")
    exits += total(stats, "synic", "end_of_messages")
    return Share(frames, payload, Cost(exits, total(stats, nic, "wakes"),
                                       total(stats, "synic", "interrupts")))


def measure(lab: Lab, with_files: bool) -> dict[str, GuestRun]:
    nics = [{"nic": nic, "kind": kind, "switch": "lan", "vlan": vlan}
            for vlan, (kind, nic) in enumerate(KINDS.items(), 1)]
    configuration = {"guests": [{"name": "first", "nics": nics}, {"name": "second", "nics": nics}]}
    scripts = {"first": FIRST + (ASK if with_files else "") + END,
               "second": SECOND + (SERVE if with_files else "") + WAIT}
    runs = lab.boot_together(lab.folder(f"network_{with_files}"), configuration,
                             modules="synthetic_net", scripts=scripts,
                             files={"file": random_bytes("network", FILE_BYTES)})
    for run in runs.values():
        if run.said("fail") or not run.said("end") or run.outcome.code != 0:
            raise Failure(f"a guest failed; all they said: {run.log}")
    return runs


def show(screen: Screen, lab: Lab) -> None:
    screen.step("Two guests on one virtual switch, each with a 21140 and a synthetic NIC")
    idle = measure(lab, with_files=False)
    busy = measure(lab, with_files=True)
    for line in busy["first"].said("ok"):
        screen.guest(f"  ok: {line}")
    rows = []
    for guest, does in (("second", "sends"), ("first", "receives")):
        for kind, name in (("tulip", "21140"), ("netvsp", "NetVSP")):
            before, after = share_of(idle[guest], kind), share_of(busy[guest], kind)
            frames = max(after.frames - before.frames, 1)
            cost = after.cost - before.cost
            rows.append([f"{name}, {does} {FILE_BYTES // KIB} KiB", str(frames),
                         str((after.payload - before.payload) // frames),
                         *(f"{number / frames:.2f}" for number in
                           (cost.exits, cost.doorbells, cost.interrupts))])
    screen.say("")
    screen.table(["per frame, both ways", "frames", "bytes", "exits to user space",
                  "doorbells (in the kernel)", "interrupts"], rows)
