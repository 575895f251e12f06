#!/usr/bin/env python3
"""The switch as a process between two network namespaces: vswitch_host.py [--quick]

Each namespace has a TAP interface that is a port of one switch (`build/bin/vswitch run`). Shown
beside their lines: TCP from tap to tap, what an idle process costs and how soon it answers, what a
burst out of idle loses, how long ports take to come and go and what others lose by it, memory,
and the start. A bare veth pair between the same namespaces says what the machine can do meanwhile.
Needs root, ip, ping, and iperf3. Exits 1 if a line is missed. With other work on the machine,
`chrt -r 1 bench/vswitch_host.py` measures as if it were alone, at the others' cost.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
VSWITCH = ROOT / "build" / "bin" / "vswitch"
SIDES = {f"viridian-{side}-{os.getpid()}": f"10.78.0.{i + 1}" for i, side in enumerate("ab")}
NEAR, FAR = SIDES
BARE = "10.79.0.2"  # the far end of the veth pair
PORTS = 8

# Sends COUNT datagrams of 18 bytes at a million a second: in calls of 50, which the kernel cuts.
BURST = """
import socket, struct, sys, time
count, each = int(sys.argv[2]), 50
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9))
s.setsockopt(socket.IPPROTO_UDP, 103, 18)  # UDP_SEGMENT
start = time.perf_counter_ns()
for i in range(count // each):
    while time.perf_counter_ns() - start < i * each * 1000:
        pass
    s.send(bytes(18 * each))
print(count * 1000 / (time.perf_counter_ns() - start))
"""

# An echo by another process, ten times a second: what two wake-ups cost here, without any network.
ECHO = """
import os, statistics, time
there, back = os.pipe(), os.pipe()
child = os.fork()
while child == 0:
    os.write(back[1], os.read(there[0], 1) or os._exit(0))
times = []
for _ in range(30):
    time.sleep(0.1)
    start = time.perf_counter_ns()
    os.write(there[1], b"x")
    os.read(back[0], 1)
    times.append((time.perf_counter_ns() - start) / 1000)
os.kill(child, 9)
print(statistics.median(times))
"""


def run(*words, check=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=120)
    if check and done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout


def inside(name, *words, **more):
    return run("ip", "netns", "exec", name, *words, **more)


class Switch:
    """A running switch with a tap in each namespace and idle ones beside."""

    def __init__(self, folder, idle_ports):
        ports = [{"name": f"p{i}", "type": "tap", "interface": f"vb{os.getpid() % 10000}-{i}"}
                 for i in range(idle_ports + 2)]
        config = folder / "lan.json"
        config.write_text(json.dumps({"switches": [
            {"name": "lan", "kind": "private", "ports": ports}]}))
        self.socket_path = folder / "socket"
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [VSWITCH, "run", "--config", config, "--socket", self.socket_path],
            stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline().startswith("vswitch: serving"):
            raise SystemExit("the switch does not start")
        self.start_ms = (time.perf_counter() - start) * 1e3
        for (name, address), port in zip(SIDES.items(), ports):
            interface = port["interface"]
            run("ip", "link", "set", interface, "netns", name)
            run("ip", "-n", name, "link", "set", interface, "name", "tap", "up")
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "tap")
        for port in ports[2:]:
            run("ip", "link", "set", port["interface"], "up")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(str(self.socket_path))
        while "1 received" not in inside(NEAR, "ping", "-c", 1, "-W", 1, SIDES[FAR], check=False):
            pass

    def ask(self, **request):
        self.control.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self.control.recv(65536)
        answer = json.loads(answer)
        if not answer["ok"]:
            raise SystemExit(answer["error"])
        return answer["result"]

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ")[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.search(rf"{key}:\s+(\d+)", status).group(1)) / 1024
                for key in ("VmRSS", "RssAnon")}

    def close(self):
        self.control.close()
        self.process.terminate()
        self.process.wait()


class Report:
    missed = 0

    def line(self, text, value, unit, limit, at_least=False):
        good = value >= limit if at_least else value <= limit
        self.missed += not good
        sign = ">=" if at_least else "<="
        print(f"{text}: {value:.2f} {unit} {sign} {limit:g}: {'pass' if good else 'FAIL'}, "
              f"ratio {value / limit:.2f}", flush=True)


def tcp(address, seconds):
    """Gbit/s to the far side."""
    server = subprocess.Popen(["ip", "netns", "exec", FAR, "iperf3", "-s", "-1",
                               "--forceflush"], stdout=subprocess.PIPE, text=True)
    while "Server listening" not in server.stdout.readline():
        pass
    told = json.loads(inside(NEAR, "iperf3", "-c", address, "-t", seconds, "-C", "cubic", "-Z",
                             "-J"))
    server.communicate(timeout=20)
    return told["end"]["sum_received"]["bits_per_second"] / 1e9


def ping(address, count, interval):
    """Microseconds, median and mean."""
    text = inside(NEAR, "ping", "-n", "-c", count, "-i", interval, address)
    times = [float(one) * 1000 for one in re.findall(r"time=([\d.]+) ms", text)]
    return statistics.median(times), statistics.mean(times)


def idle(switch, report, count):
    before, start = switch.cpu_seconds(), time.perf_counter()
    median_us, mean_us = ping(SIDES[FAR], count, 0.1)
    used = (switch.cpu_seconds() - before) / (time.perf_counter() - start)
    report.line(f"idle with {PORTS} ports while a ping runs", used * 100, "% of a core", 2)
    report.line("ping out of idle, median", median_us, "us", 60)
    bare_us = ping(BARE, count, 0.1)
    echo_us = float(run(sys.executable, "-c", ECHO))
    print(f"  mean {mean_us:.0f} us; veth alone: median {bare_us[0]:.0f}, mean {bare_us[1]:.0f}; "
          f"an echo between two processes: {echo_us:.0f} us")


def burst(report, rounds):
    frames, worst, rates = 1000, 0, []
    listener = subprocess.Popen(["ip", "netns", "exec", FAR, sys.executable, "-c",
                                 "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM);"
                                 "s.bind(('', 9)); print(flush=True); time.sleep(3600)"],
                                stdout=subprocess.PIPE)
    listener.stdout.readline()
    for _ in range(rounds):
        time.sleep(0.2)

        def received():
            told = json.loads(run("ip", "-n", FAR, "-s", "-j", "link", "show", "tap"))
            return told[0]["stats64"]["rx"]["packets"]

        before = received()
        rates.append(float(inside(NEAR, sys.executable, "-c", BURST, SIDES[FAR], frames)))
        time.sleep(0.1)
        worst = max(worst, frames - (received() - before))
    listener.kill()
    listener.wait()
    report.line(f"lost of {frames} frames at {statistics.median(rates):.2f} million a second out "
                "of idle, worst", worst, "frames", 256)


def changes(switch, report, count):
    pings = subprocess.Popen(["ip", "netns", "exec", NEAR, "ping", "-n", "-q", "-i", "0.001", "-c",
                              str(count * 40), SIDES[FAR]], stdout=subprocess.PIPE, text=True)
    added, removed = [], []
    for i in range(count):
        for name, times, request in (
                ("add_port", added,
                 {"port": {"name": "x", "type": "tap", "interface": f"vbx{i}"}}),
                ("remove_port", removed, {"port": "x"})):
            start = time.perf_counter()
            switch.ask(command=name, switch="lan", **request)
            times.append((time.perf_counter() - start) * 1e3)
            time.sleep(0.02)
    text = pings.communicate()[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                        text).groups())
    report.line("a port is added in, median", statistics.median(added), "ms", 5)
    report.line("a port is removed in, median", statistics.median(removed), "ms", 5)
    print(f"  the slowest: {max(added):.1f} and {max(removed):.1f} ms")
    report.line(f"lost of {sent} pings at 1 kHz meanwhile", sent - received, "frames", 0.5)


def scrape(switch, report, count):
    """OpenMetrics of 64 ports, as a collector asks for it."""
    have = sum(len(one["ports"]) for one in switch.ask(command="config")["switches"])
    names = [f"metrics{i}" for i in range(64 - have)]
    for i, name in enumerate(names):
        switch.ask(command="add_port", switch="lan",
                   port={"name": name, "type": "tap", "interface": f"vbm{i}"})
    times = []
    for _ in range(count):
        start = time.perf_counter()
        switch.control.sendall(b'{"command": "metrics"}\n')
        answer = bytearray()
        while not answer.endswith(b"\n"):
            answer += switch.control.recv(1 << 20)
        times.append((time.perf_counter() - start) * 1e3)
    lines = json.loads(answer)["result"].count("\n")
    report.line(f"OpenMetrics of 64 ports ({lines} lines), median", statistics.median(times), "ms",
                5)
    print(f"  the slowest: {max(times):.1f} ms")
    for name in names:
        switch.ask(command="remove_port", switch="lan", port=name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: shows that it works")
    quick = parser.parse_args().quick
    report = Report()
    starts = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for name in SIDES:
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
        run("ip", "link", "add", "bare", "netns", NEAR, "type", "veth", "peer", "bare", "netns",
            FAR)
        for name, address in zip(SIDES, ("10.79.0.1", BARE)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "bare")
            run("ip", "-n", name, "link", "set", "bare", "up")
        for number in range(1 if quick else 5):
            if starts:
                switch.close()
            switch = Switch(pathlib.Path(folder), PORTS - 2)
            starts.append(switch.start_ms)
        stack.callback(switch.close)
        memory = switch.resident_mib()
        report.line("start to a served socket, median", statistics.median(starts), "ms", 300)
        report.line(f"resident with {PORTS} ports, without hugepages", memory["VmRSS"], "MiB", 64)
        print(f"  of that, its own and no file's: {memory['RssAnon']:.0f} MiB")
        idle(switch, report, 30 if quick else 100)
        burst(report, 3 if quick else 20)
        changes(switch, report, 10 if quick else 100)
        scrape(switch, report, 20 if quick else 200)
        speeds, bare = [], []
        used = 0
        for _ in range(1 if quick else 5):
            before = switch.cpu_seconds()
            speeds.append(tcp(SIDES[FAR], 2 if quick else 4))
            used += switch.cpu_seconds() - before
            bare.append(tcp(BARE, 2 if quick else 4))
        seconds = len(speeds) * (2 if quick else 4)
        report.line("TCP from tap to tap, median", statistics.median(speeds), "Gbit/s", 15,
                    at_least=True)
        print(f"  the switch took {100 * used / seconds:.0f} % of a core; veth alone: "
              f"{statistics.median(bare):.1f} Gbit/s")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
