#!/usr/bin/env python3
"""vhost-user ports of the switch beside those of OVS-DPDK and testpmd. Usage:
    bench/vswitch_vhost.py [--rounds N] [--time MILLISECONDS]

A guest (dpdk-testpmd with two virtio_user devices, on processor 0) sends as fast as it can from
both, either a file of frames for ever or what its `flowgen` makes: addresses that nobody has,
from one address at both ports. The switch between is on processor 1. Each switch has a guest of
its own; in each round they run one after another, and the others are stopped. A figure is frames
that came back to the guest for each second of processor time of the thread that switches: where
the guest is the slower one, all ratios come near to 1. Medians, and each ratio beside its line
(docs/network.md).

Needs root, two processors, and the packages of scripts/packages-bench. Exits 1 if a line is missed.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import vswitch_peer
from vswitch_peer import HUGEPAGES, PEER_MIB, PROCESSOR, OpenVswitch, Testpmd, judge, medians

VSWITCH = vswitch_peer.ROOT / "build" / "bin" / "vswitch"
GUEST_PROCESSOR = 0
FRAMES = 4000  # in a file

# Name, flows (None: flowgen), bytes; lines: to OVS, to testpmd, to ours in the first case.
CASES = [
    ("1 flow, 60 B", 1, 60, 1.0, 0.95, None),
    ("4000 flows, 60 B", 4000, 60, 1.0, None, 0.9),
    ("1 flow, 1514 B", 1, 1514, 1.15, None, None),
    ("flood and moves, 60 B", None, 60, 2.5, None, None),
]


def pcap_device(folder, side, flows, size):
    """As many frames for each number of flows: else the guest's cache would tell them apart."""
    path = folder / f"{side}.pcap"
    frames = [vswitch_peer.udp_frame(side, 0, i % flows, size) for i in range(FRAMES)]
    vswitch_peer.write_pcap(path, frames)
    return f"net_pcap{side},rx_pcap={path},infinite_rx=1"


class Guest:
    """It listens at two sockets, and starts when a switch has connected to both."""

    def __init__(self, folder, flows, size):
        folder.mkdir()
        self.paths = [folder / f"{side}.sock" for side in "ab"]
        vdevs = [f"net_virtio_user{i},path={path},server=1,queue_size=1024"
                 for i, path in enumerate(self.paths)]
        mode = ["--forward-mode=flowgen", f"--txpkts={size}"]
        self.ports = (0, 1)
        if flows:
            files = [pcap_device(folder, side, flows, size) for side in (0, 1)]
            vdevs = [files[0], vdevs[0], files[1], vdevs[1]]  # 0 and 1 are a pair, and 2 and 3
            mode = ["--forward-mode=io"]
            self.ports = (1, 3)
        self.count = len(vdevs)
        command = ["stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci",
                   "--no-telemetry", "--no-shconf", f"--lcores=0@{GUEST_PROCESSOR},"
                   f"1@{GUEST_PROCESSOR}", *[f"--vdev={vdev}" for vdev in vdevs], "--", "-i",
                   "--auto-start", "--burst=64", "--total-num-mbufs=16384", *mode]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)
        while not self.paths[0].exists():
            time.sleep(0.02)

    def frames(self):
        """That came to its virtio devices."""
        self.child.stdin.write("show port stats all\n")
        self.child.stdin.flush()
        counts = []
        while len(counts) < self.count:
            line = self.child.stdout.readline()
            if not line:
                raise RuntimeError("the guest ended")
            counts += map(int, re.findall(r"RX-packets: (\d+)", line))
        return sum(counts[port] for port in self.ports)

    def close(self):
        self.child.kill()
        self.child.wait()


class Ours:
    """`vswitch run`, without hugepages, as it is installed."""

    def __init__(self, folder, paths):
        config = folder / "vhost.json"
        config.write_text(json.dumps({"switches": [{"name": "lan", "ports": [
            {"name": f"p{i}", "type": "vhost-user", "socket": str(path), "client": True,
             "storm_limit": 0} for i, path in enumerate(paths)]}]}))
        self.child = subprocess.Popen(
            [VSWITCH, "run", "--config", config, "--socket", folder / "control"],
            stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {PROCESSOR}))
        if not self.child.stdout.readline().startswith("vswitch: serving"):
            raise RuntimeError("the switch does not start")
        self.process = self.child.pid

    def close(self):
        self.child.kill()
        self.child.wait()


class OvsVhost(OpenVswitch):
    def begin(self, paths):
        words = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"]
        for i, path in enumerate(paths):
            words += ["--", "add-port", "br0", f"p{i}", "--", "set", "interface", f"p{i}",
                      "type=dpdkvhostuserclient", f"options:vhost-server-path={path}"]
        self.configure(*words)


class System:
    """A switch and its guest, both stopped while others are measured."""

    def __init__(self, guest, process, thread):
        self.guest, self.process, self.thread = guest, process, thread
        self.realtime = False
        self.guest.frames()  # both of its devices are connected
        time.sleep(1.5)  # until every address is known and every flow was seen
        self.send(signal.SIGSTOP)

    def send(self, what):
        for process in (self.process, self.guest.child.pid):
            os.kill(process, what)

    def prefer(self, policy, priority):
        """With other work on the machine: as if they were alone, while they are measured."""
        if not self.realtime:
            return
        for process in (self.process, self.guest.child.pid, os.getpid()):
            for task in pathlib.Path(f"/proc/{process}/task").iterdir():
                os.sched_setscheduler(int(task.name), policy, os.sched_param(priority))

    def on_cpu_ns(self):
        tasks = pathlib.Path(f"/proc/{self.process}/task")
        for task in tasks.iterdir():
            # The main thread of ours has the same name.
            if self.thread in (task / "comm").read_text() and task.name != str(self.process):
                return int((task / "schedstat").read_text().split()[0])
        raise RuntimeError(f"process {self.process} has no thread {self.thread}")

    def sample(self, run_ms):
        self.prefer(os.SCHED_RR, 1)
        self.send(signal.SIGCONT)
        time.sleep(0.1)
        before = self.guest.frames(), self.on_cpu_ns()
        time.sleep(run_ms / 1000)
        after = self.guest.frames(), self.on_cpu_ns()
        self.send(signal.SIGSTOP)
        self.prefer(os.SCHED_OTHER, 0)
        return (after[0] - before[0]) / (after[1] - before[1]) * 1000


def measure(folder, ovs, case, options):
    """Mpps of ours, OVS and testpmd."""
    flows, size = case[1:3]
    ends = []
    try:
        guests = []
        for name in ("ours", "ovs", "testpmd"):
            guests.append(Guest(folder / name, flows, size))
            ends.append(guests[-1].close)
        # First testpmd: OVS takes all hugepages that there are.
        plain = Testpmd([f"net_vhost{i},iface={path},client=1"
                         for i, path in enumerate(guests[2].paths)])
        ends.append(plain.close)
        os.kill(plain.process, signal.SIGCONT)
        third = System(guests[2], plain.process, plain.thread)
        own = Ours(folder, guests[0].paths)
        ends.append(own.close)
        first = System(guests[0], own.process, "vswitch")
        ovs.begin(guests[1].paths)
        second = System(guests[1], ovs.process, ovs.thread)
        for one in (first, second, third):
            one.realtime = options.realtime
        result = medians([first, second, third], options.rounds, options.time)
        ovs.end()
        return result
    finally:
        for end in ends:
            end()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", type=int, default=500, help="of one sample")
    parser.add_argument("--realtime", action="store_true",
                        help="real-time priority for samples: on a machine with other work")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so every peer ends
    missing = vswitch_peer.what_is_missing()
    if missing:
        print(f"not measured, since this is missing: {missing}")
        return 0
    reserved = HUGEPAGES.read_text()
    wanted = PEER_MIB // 2 * 2 + 64
    HUGEPAGES.write_text(str(max(wanted, int(reserved))))
    missed, first, ovs = 0, None, None
    print(f"{'Mpps of one core':24}{'ours':>8}{'OVS':>8}{'testpmd':>9}   to OVS"
          f"{'':18}to testpmd io        to our first")
    try:
        if int(HUGEPAGES.read_text()) < wanted:
            print(f"not measured: no room for {wanted} hugepages")
            return 0
        with tempfile.TemporaryDirectory() as name:
            ovs = OvsVhost(pathlib.Path(name))
            for number, case in enumerate(CASES):
                folder = pathlib.Path(name) / str(number)
                folder.mkdir()
                own, other, plain = measure(folder, ovs, case, options)
                first = first or own
                shown = []
                for ratio, line in zip((own / other, own / plain, own / first), case[3:]):
                    shown.append(f"{ratio:6.2f}{'':23}" if line is None else judge(ratio, line))
                    missed += line is not None and ratio < line
                print(f"{case[0]:24}{own:8.2f}{other:8.2f}{plain:9.2f}   {'   '.join(shown)}",
                      flush=True)
            ovs.close()
            ovs = None
    finally:
        if ovs:
            ovs.close()
        HUGEPAGES.write_text(reserved)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
