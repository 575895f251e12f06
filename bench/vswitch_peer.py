#!/usr/bin/env python3
"""Sets the switch beside OVS-DPDK (NORMAL action) and testpmd on the same devices. Usage:
    bench/vswitch_peer.py [--rounds N] [--time MILLISECONDS]

Two net_pcap devices that repeat a file for ever give the frames. In each round every program runs
for the same time, one after another on processor 1; the others are stopped meanwhile. A figure is
frames for each second of processor time of the one thread that moves them; medians are printed,
and each ratio beside its line (docs/network.md). Ours runs as it is installed, without hugepages;
the peers need some, so they are reserved for the time of the run.

Needs root, two processors, and the packages of scripts/packages-bench. Exits 1 if a line is missed.
"""
import argparse
import os
import pathlib
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / "build" / "bin" / "vswitch_devices"
OVS = pathlib.Path("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
PEER_MIB = 512
PROCESSOR = 1

# Name, MAC pairs, flows of one pair, bytes; lines: ours to OVS, ours to testpmd.
CASES = [
    ("1 MAC pair, 60 B", 1, 1, 60, 1.7, None),
    ("64 MAC pairs, 60 B", 64, 1, 60, 2.5, None),
    ("1000 MAC pairs, 60 B", 1000, 1, 60, 3.0, None),
    ("4000 MAC pairs, 60 B", 4000, 1, 60, 4.0, None),
    ("1 MAC pair, 4000 flows, 60 B", 1, 4000, 60, 3.5, None),
    ("64 MAC pairs, 1514 B", 64, 1, 1514, 1.5, 0.8),
]


def udp_frame(side, pair, flow, size):
    """From station `pair` of the side to its partner; each station has its own IP address."""
    def mac(of):
        return bytes([2, of, 0, 0, pair >> 8, pair & 255])

    def ip(of):
        return bytes([10, of, pair >> 8, pair & 255])
    packet = size - 14
    header = struct.pack(">BBHHHBBH", 0x45, 0, packet, 1, 0, 64, 17, 0)
    udp = struct.pack(">HHHH", 1000 + flow, 9, packet - 20, 0)
    return (mac(1 - side) + mac(side) + b"\x08\0" + header + ip(side) + ip(1 - side) + udp
            + bytes(size - 42))


def write_pcap(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def devices(folder, case):
    name, pairs, flows, size = case[:4]
    result = []
    for side in (0, 1):
        path = folder / f"{pairs}-{flows}-{size}-{side}.pcap"
        count = max(pairs, flows, 64)
        write_pcap(path, [udp_frame(side, i % pairs, i % flows, size) for i in range(count)])
        result.append(f"net_pcap{side},rx_pcap={path},infinite_rx=1")
    return result


def on_cpu_ns(process, thread_name):
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        if thread_name in (task / "comm").read_text():
            return int((task / "schedstat").read_text().split()[0])
    raise RuntimeError(f"process {process} has no thread {thread_name}")


class Ours:
    def __init__(self, vdevs, features="none"):
        self.command = [str(OURS), None, features, *vdevs]

    def sample(self, run_ms):
        self.command[1] = str(run_ms)
        done = subprocess.run(self.command, capture_output=True, text=True, timeout=60,
                              preexec_fn=lambda: os.sched_setaffinity(0, {PROCESSOR}))
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        frames, spent_ns = map(int, done.stdout.split())
        return frames / spent_ns * 1000

    def close(self):
        pass


class Peer:
    """A process that runs on while it is not measured: it is stopped then."""

    def sample(self, run_ms):
        os.kill(self.process, signal.SIGCONT)
        time.sleep(0.1)
        before = self.frames(), on_cpu_ns(self.process, self.thread)
        time.sleep(run_ms / 1000)
        after = self.frames(), on_cpu_ns(self.process, self.thread)
        os.kill(self.process, signal.SIGSTOP)
        return (after[0] - before[0]) / (after[1] - before[1]) * 1000


class Testpmd(Peer):
    thread = f"worker-{PROCESSOR}"

    def __init__(self, vdevs):
        command = ["stdbuf", "-oL", "dpdk-testpmd", "-l", f"0,{PROCESSOR}", "--no-pci",
                   "--in-memory", "-m",
                   str(PEER_MIB), *[f"--vdev={vdev}" for vdev in vdevs], "--", "-i",
                   "--forward-mode=io", "--burst=64"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)
        self.process = self.child.pid
        self.tell("start")
        self.frames()
        time.sleep(0.5)
        os.kill(self.process, signal.SIGSTOP)

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def frames(self):
        self.tell("show port stats all")
        counts = []
        while len(counts) < 2:
            line = self.child.stdout.readline()
            if not line:
                raise RuntimeError("dpdk-testpmd ended")
            counts += map(int, re.findall(r"RX-packets: (\d+)", line))
        return sum(counts)

    def close(self):
        os.kill(self.process, signal.SIGCONT)
        self.child.kill()
        self.child.wait()


class OpenVswitch(Peer):
    thread = "pmd"

    def __init__(self, folder):
        self.folder = folder
        os.environ.update({f"OVS_{one}DIR": str(folder) for one in ("RUN", "DB", "LOG")})
        self.database = f"unix:{folder}/db.sock"
        run = subprocess.run
        run(["ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA], check=True)
        self.server = subprocess.Popen(["ovsdb-server", f"{folder}/conf.db",
                                        f"--remote=punix:{folder}/db.sock"],
                                       stderr=subprocess.DEVNULL)
        while not (folder / "db.sock").exists():
            time.sleep(0.05)
        self.configure("--no-wait", "init")
        self.configure("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                       f"other_config:dpdk-extra=--no-pci -m {PEER_MIB}",
                       f"other_config:pmd-cpu-mask={hex(1 << PROCESSOR)}",
                       "other_config:dpdk-lcore-mask=0x1")
        self.child = subprocess.Popen([str(OVS), self.database, f"--unixctl={folder}/ctl"],
                                      stderr=subprocess.DEVNULL)
        self.process = self.child.pid

    def configure(self, *words):
        subprocess.run(["ovs-vsctl", "--timeout=30", f"--db={self.database}", *words], check=True)

    def begin(self, vdevs):
        words = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
                 "other-config:mac-table-size=50000", "other-config:mac-aging-time=3600"]
        for i, vdev in enumerate(vdevs):
            words += ["--", "add-port", "br0", f"p{i}", "--", "set", "interface", f"p{i}",
                      "type=dpdk", "options:dpdk-devargs=\"" + vdev.replace("\"", "") + "\""]
        self.configure(*words)
        time.sleep(1.5)  # until every address is known and every flow was seen
        os.kill(self.process, signal.SIGSTOP)

    def frames(self):
        told = subprocess.run(["ovs-appctl", "-t", f"{self.folder}/ctl",
                               "dpif-netdev/pmd-stats-show"],
                              capture_output=True, text=True, check=True, timeout=30).stdout
        return int(re.search(r"packets received: (\d+)", told).group(1))

    def end(self):
        os.kill(self.process, signal.SIGCONT)
        self.configure("del-br", "br0")

    def close(self):
        os.kill(self.process, signal.SIGCONT)
        for child in (self.child, self.server):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def medians(programs, rounds, run_ms):
    seen = [[] for _ in programs]
    for _ in range(rounds):
        for program, samples in zip(programs, seen):
            samples.append(program.sample(run_ms))
    return [statistics.median(samples) for samples in seen]


def judge(ratio, line):
    return f"{ratio:6.2f} (line {line:.2f}{'' if ratio >= line else ', MISSED'})"


def beside_peers(folder, ovs, options):
    missed = 0
    print(f"{'Mpps of one core':30}{'ours':>8}{'OVS':>8}{'testpmd':>9}   to OVS"
          f"{'':18}to testpmd io")
    for case in CASES:
        vdevs = devices(folder, case)
        testpmd = Testpmd(vdevs)
        try:
            ovs.begin(vdevs)
            own, other, plain = medians([Ours(vdevs), ovs, testpmd], options.rounds, options.time)
            ovs.end()
        finally:
            testpmd.close()
        to_plain = f"{own / plain:.2f}" if case[5] is None else judge(own / plain, case[5])
        print(f"{case[0]:30}{own:8.1f}{other:8.1f}{plain:9.1f}   {judge(own / other, case[4])}"
              f"   {to_plain}", flush=True)
        missed += own / other < case[4] or (case[5] is not None and own / plain < case[5])
    return missed


def features(folder, options):
    """What guards with rules and a mirror leave of the speed of the plain switch."""
    vdevs = devices(folder, CASES[0])
    programs = [Ours(vdevs), Ours(vdevs, "guards"), Ours(vdevs + ["net_null2"], "mirror")]
    plain, guarded, mirrored = medians(programs, options.rounds, options.time)
    missed = 0
    for name, speed, line in [("1 pair, all guards, 64 rules", guarded, 0.9),
                              ("1 pair, all mirrored", mirrored, 0.7)]:
        print(f"{name:30}{speed:8.1f}   of plain {judge(speed / plain, line)}")
        missed += speed / plain < line
    return missed


def what_is_missing():
    if os.geteuid() != 0:
        return "root, for hugepages"
    if (os.cpu_count() or 1) < 2:
        return "a second processor"
    for path in (OVS, pathlib.Path(SCHEMA), pathlib.Path("/usr/bin/dpdk-testpmd")):
        if not path.exists():
            return f"{path}: install the packages of scripts/packages-bench"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", type=int, default=500, help="of one sample")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so every peer ends
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        missing = what_is_missing()
        if missing:
            print(f"not measured beside OVS-DPDK, since this is missing: {missing}")
            return 1 if features(folder, options) else 0
        reserved = HUGEPAGES.read_text()
        wanted = PEER_MIB // 2 * 2 + 64
        HUGEPAGES.write_text(str(max(wanted, int(reserved))))
        ovs = None
        try:
            if int(HUGEPAGES.read_text()) < wanted:
                print(f"not measured beside OVS-DPDK: no room for {wanted} hugepages")
                return 1 if features(folder, options) else 0
            ovs = OpenVswitch(folder)
            missed = beside_peers(folder, ovs, options) + features(folder, options)
        finally:
            if ovs:
                ovs.close()
            HUGEPAGES.write_text(reserved)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
