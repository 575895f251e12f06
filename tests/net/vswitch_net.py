#!/usr/bin/env python3
"""The command `vswitch` end to end: vswitch_net.py BIN_DIR CASE.

Runs in network namespaces of its own: a tap of the host's namespace and a veth pair into another
are ports of an external switch. Exits with 77 where that is not possible.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
FAR, THIRD = f"viridian-far-{os.getpid()}", f"viridian-third-{os.getpid()}"
HOST_IP, FAR_IP = "10.77.0.1", "10.77.0.2"
CONFIG = {"switches": [{"name": "lan", "kind": "external", "ports": [
    {"name": "host", "type": "tap", "interface": "near0", "role": "host"},
    {"name": "up", "type": "af_packet", "interface": "up0", "role": "uplink"}]}]}


def run(*words, check=True, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60,
                          **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}")
    return done


class Net:
    """The running switch and both ends."""

    def __init__(self, binary, folder, workers):
        self.binary, self.folder = binary, folder
        self.socket = folder / "socket"
        config = folder / "lan.json"
        config.write_text(json.dumps(CONFIG))
        run("ip", "link", "set", "lo", "up")
        run("ip", "netns", "add", FAR)
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0", "netns", FAR)
        run("ip", "link", "set", "up0", "up")
        run("ip", "-n", FAR, "link", "set", "lo", "up")
        run("ip", "-n", FAR, "link", "set", "far0", "up")
        run("ip", "-n", FAR, "addr", "add", f"{FAR_IP}/24", "dev", "far0")
        self.env = {**os.environ, "RUNTIME_DIRECTORY": str(folder)}  # of DPDK's telemetry
        self.daemon = subprocess.Popen(
            [str(binary), "run", "--config", str(config), "--socket", str(self.socket),
             "--workers", str(workers)],
            stdout=subprocess.PIPE, text=True, env=self.env)
        line = self.daemon.stdout.readline()
        assert line == f"vswitch: serving {self.socket}\n", line
        run("ip", "link", "set", "near0", "up")
        run("ip", "addr", "add", f"{HOST_IP}/24", "dev", "near0")
        self.ping_until_answered()

    def close(self):
        self.daemon.terminate()
        status = self.daemon.wait(timeout=20)
        assert status == 0, f"the daemon ended with {status}"
        assert not self.socket.exists()

    def vswitch(self, *words, **more):
        return run(self.binary, "--socket", self.socket, *words, **more)

    def ping(self, count=1, interval=0.01, wait=1, address=FAR_IP):
        done = run("ping", "-n", "-c", count, "-i", interval, "-W", wait, address, check=False)
        return int(re.search(r"(\d+) received", done.stdout).group(1))

    def ping_until_answered(self, address=FAR_IP):
        for _ in range(50):
            if self.ping(address=address) == 1:
                return
        raise AssertionError("no answer")

    def port(self, name):
        shown = json.loads(self.vswitch("show", "--json").stdout)
        return next(p for p in shown["switches"][0]["ports"] if p["name"] == name)


def frames_pass_from_host_to_namespace(net):
    assert net.ping(count=20) == 20
    port = net.port("up")
    assert port["connected"] and port["counters"]["rx_frames"] >= 20, port
    assert re.search(r"\bup\b", net.vswitch("macs", "lan").stdout)
    metrics = net.vswitch("metrics").stdout
    assert metrics.endswith("# EOF\n") and 'port="host"' in metrics
    assert "flooded in VLAN 0: up" in net.vswitch(
        "explain", "lan", "host", "--source", "02:00:00:00:00:01", "--destination",
        "ff:ff:ff:ff:ff:ff").stdout
    table = net.vswitch("watch", "--count", "1", "--interval", "100").stdout
    assert "lan/host" in table


def capture_opens_in_tcpdump(net):
    if not shutil.which("tcpdump"):
        sys.exit(SKIPPED)
    file = net.folder / "frames.pcapng"
    watching = subprocess.Popen([str(net.binary), "--socket", str(net.socket), "capture", "lan",
                                 "up", "--dropped", "-w", str(file)])
    while not file.exists() or b"Viridian" not in file.read_bytes():
        time.sleep(0.01)
    net.vswitch("set-port", "lan", "up", 'acl=[{"direction":"in","action":"deny",'
                                         '"protocol":"icmp"}]')
    assert net.ping(wait=0.2) == 0
    while b"dropped: acl" not in file.read_bytes():
        time.sleep(0.01)
    watching.terminate()
    watching.wait()
    text = run("tcpdump", "-n", "-r", file).stdout
    assert f"IP {HOST_IP} > {FAR_IP}: ICMP echo request" in text, text
    assert f"IP {FAR_IP} > {HOST_IP}: ICMP echo reply" in text, text


def live_changes_take_effect(net):
    for kind, answered in (("private", 0), ("external", 1), ("internal", 0), ("external", 1)):
        net.vswitch("set-switch", "lan", f"kind={kind}")
        if answered:
            net.ping_until_answered()
        else:
            assert net.ping(wait=0.2) == 0
    net.vswitch("set-port", "lan", "host", "vlan.mode=access", "vlan.vlan=9")
    assert net.ping(wait=0.2) == 0
    net.vswitch("set-port", "lan", "host", "vlan=null")
    net.ping_until_answered()
    net.vswitch("set-port", "lan", "host", "mtu=1400")
    assert "mtu 1400" in run("ip", "link", "show", "near0").stdout
    assert net.vswitch("apply", net.folder / "lan.json").stdout == "port lan/host: changed mtu\n"
    assert net.vswitch("apply", net.folder / "lan.json").stdout == "nothing to change\n"


def ports_come_and_go_without_loss(net, count=1500):
    pinging = subprocess.Popen(["ping", "-n", "-q", "-i", "0.002", "-c", str(count), FAR_IP],
                               stdout=subprocess.PIPE, text=True)
    changes = 0
    while pinging.poll() is None:
        net.vswitch("add-port", "lan", "other", "type=tap", "interface=other0")
        # It sends back what it gets: in the VLAN of the others that would move their addresses.
        net.vswitch("add-port", "lan", "ring", "type=ethdev", "device=net_ring0",
                    "vlan.mode=access", "vlan.vlan=5")
        net.vswitch("set-port", "lan", "other", "mtu=9000", "router_guard=true")
        net.vswitch("remove-port", "lan", "other")
        net.vswitch("remove-port", "lan", "ring")
        changes += 5
    text = pinging.stdout.read()
    drops = {name: net.port(name)["counters"]["drops"] for name in ("host", "up")}
    assert f"{count} received" in text, f"{text}{drops}"
    assert changes >= 10
    print(f"{changes} changes, {count} of {count} pings answered")


def two_workers_share_a_switch(net):
    assert net.port("host")["worker"] != net.port("up")["worker"]
    ports_come_and_go_without_loss(net, 700)
    assert net.port("up")["macs"] >= 1 and net.port("host")["macs"] >= 1
    explained = net.vswitch("explain", "lan", "up", "--source", "02:00:00:00:00:01",
                            "--destination", "ff:ff:ff:ff:ff:ff").stdout
    assert "flooded in VLAN 0: host" in explained, explained


def tcp_keeps_its_offloads(net):
    if not shutil.which("iperf3"):
        sys.exit(SKIPPED)
    server = subprocess.Popen(["ip", "netns", "exec", FAR, "iperf3", "-s", "-1", "--forceflush"],
                              stdout=subprocess.PIPE, text=True)
    while "Server listening" not in server.stdout.readline():
        pass
    before = net.port("up")["counters"]
    told = json.loads(run("iperf3", "-c", FAR_IP, "-t", "2", "-C", "cubic", "-J").stdout)
    server.wait(timeout=20)
    after = net.port("up")["counters"]
    frames = after["tx_frames"] - before["tx_frames"]
    size = (after["tx_bytes"] - before["tx_bytes"]) / frames
    speed = told["end"]["sum_received"]["bits_per_second"] / 1e9
    print(f"{speed:.1f} Gbit/s in frames of {size:.0f} bytes")
    assert size > 3000, size  # larger than any frame on a wire here: it was not cut


ECHO = """
import socket, threading
def serve(listener):
    while True:
        peer = listener.accept()[0]
        peer.settimeout(10)
        data = bytearray()
        try:
            while len(data) < SIZE:
                data += peer.recv(1 << 20)
            peer.sendall(data)
        except OSError:
            pass
        peer.close()
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    listener = socket.socket(family)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, 7))
    listener.listen()
    threading.Thread(target=serve, args=(listener,)).start()
print(flush=True)
"""


def every_mix_of_offloads_carries_tcp(net):
    if not shutil.which("ethtool"):
        sys.exit(SKIPPED)
    net.vswitch("add-port", "lan", "second", "type=tap", "interface=near1")
    run("ip", "link", "set", "near1", "netns", FAR)
    run("ip", "-n", FAR, "link", "set", "near1", "up")
    for last, ip, interface in ((1, ["ip"], "near0"), (2, ["ip", "-n", FAR], "near1")):
        run(*ip, "addr", "add", f"10.78.0.{last}/24", "dev", interface)
        run(*ip, "addr", "add", f"fd78::{last}/64", "dev", interface, "nodad")
    payload = random.Random(1).randbytes(200_000)
    echo = subprocess.Popen(["ip", "netns", "exec", FAR, sys.executable, "-c",
                             ECHO.replace("SIZE", str(len(payload)))], stdout=subprocess.PIPE)
    echo.stdout.readline()
    features = ("tx", "tso", "gro", "rx")

    def set_features(prefix, interface, mix):
        words = []
        for i, name in enumerate(features):
            words += [name, "on" if mix >> i & 1 else "off"]
        # What an interface has fixed stays as it is.
        run(*prefix, "ethtool", "-K", interface, *words, check=False)

    def echoed(family, address):
        with socket.socket(family) as client:
            client.settimeout(10)
            client.connect((address, 7))
            client.sendall(payload)
            data = bytearray()
            while more := client.recv(1 << 20):
                data += more
            return data == payload

    try:
        for near in range(16):
            set_features([], "near0", near)
            shown = run("ethtool", "-k", "near0").stdout
            # Without checksums there is no segmentation.
            tso = "on" if near & 3 == 3 else "off"
            assert f"tcp-segmentation-offload: {tso}" in shown, (near, shown)
            for far in range(16):
                set_features(["ip", "netns", "exec", FAR], "near1", far)
                for family, address in ((socket.AF_INET, "10.78.0.2"),
                                        (socket.AF_INET6, "fd78::2")):
                    assert echoed(family, address), (near, far, address)
    finally:
        echo.kill()
        echo.wait()


WIRE_IP = "10.79.0.2"


def add_wire(net, *settings):
    """The near end of a memif device; who connects to it has the address WIRE_IP."""
    net.vswitch("add-port", "lan", "wire", "type=ethdev", f"device={wire_of(net)},role=server",
                *settings)
    run("ip", "addr", "add", "10.79.0.1/24", "dev", "near0")


def wire_of(net):
    return f"net_memif0,id=0,socket-abstract=no,socket={net.folder}/memif"


@contextlib.contextmanager
def second_process(net):
    """Another vswitch at the far end of the wire, with a tap in the namespace, until the end."""
    config = net.folder / "second.json"
    config.write_text(json.dumps({"switches": [{"name": "far", "ports": [
        {"name": "wire", "type": "ethdev", "device": f"{wire_of(net)},role=client"},
        {"name": "host", "type": "tap", "interface": "far1"}]}]}))
    second = subprocess.Popen(["ip", "netns", "exec", FAR, str(net.binary), "run", "--config",
                               str(config), "--socket", str(net.folder / "second")],
                              stdout=subprocess.PIPE, text=True)
    try:
        assert second.stdout.readline().startswith("vswitch: serving ")
        run("ip", "-n", FAR, "link", "set", "far1", "address", "02:00:00:00:00:79", "up")
        run("ip", "-n", FAR, "addr", "add", f"{WIRE_IP}/24", "dev", "far1")
        net.ping_until_answered(WIRE_IP)
        yield
    finally:
        second.kill()
        second.wait()


def memif_joins_two_processes(net):
    add_wire(net)
    for _ in range(2):  # the second time after a kill
        with second_process(net):
            assert net.ping(count=5, address=WIRE_IP) == 5


SEND = """
import socket
with socket.create_connection(("10.80.0.2", 7), timeout=10) as client:
    client.settimeout(10)
    client.sendall(bytes(SIZE))
    left = SIZE
    while left > 0:
        left -= len(client.recv(1 << 20)) or exit("closed")
"""


def joined_segments_can_be_cut_again(net):
    """From the wire into the host's tap, and on, routed, to who must have them cut by the kernel:
    that is right only if the switch left in them what the kernel counts on."""
    if not shutil.which("ethtool"):
        sys.exit(SKIPPED)
    size = 3_000_000
    add_wire(net, "gro=true")
    run("ip", "netns", "add", THIRD)
    run("ip", "link", "add", "out0", "type", "veth", "peer", "name", "in0", "netns", THIRD)
    run("ethtool", "-K", "out0", "tx", "off", "tso", "off")
    run("ip", "addr", "add", "10.80.0.1/24", "dev", "out0")
    run("ip", "link", "set", "out0", "up")
    run("ip", "-n", THIRD, "addr", "add", "10.80.0.2/24", "dev", "in0")
    run("ip", "-n", THIRD, "link", "set", "in0", "up")
    run("ip", "-n", THIRD, "route", "add", "default", "via", "10.80.0.1")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    echo = subprocess.Popen(["ip", "netns", "exec", THIRD, sys.executable, "-c",
                             ECHO.replace("SIZE", str(size))], stdout=subprocess.PIPE)
    try:
        echo.stdout.readline()
        with second_process(net):
            run("ip", "-n", FAR, "route", "add", "10.80.0.0/24", "via", "10.79.0.1")
            run("ip", "netns", "exec", FAR, sys.executable, "-c", SEND.replace("SIZE", str(size)))
            counters = net.port("wire")["counters"]
            print(f"{counters['coalesced']} of {counters['rx_frames']} frames were joined")
            assert counters["coalesced"] > 100, counters
    finally:
        echo.kill()
        echo.wait()


def af_xdp_device_carries_frames(net):
    address = "10.79.0.2"
    run("ip", "link", "add", "xdp0", "type", "veth", "peer", "name", "xdp1", "netns", FAR)
    run("ip", "link", "set", "xdp0", "up")
    # A veth pair leaves out checksums that XDP cannot know to be missing.
    if not shutil.which("ethtool"):
        sys.exit(SKIPPED)
    run("ip", "netns", "exec", FAR, "ethtool", "-K", "xdp1", "tx", "off")
    run("ip", "-n", FAR, "addr", "add", f"{address}/24", "dev", "xdp1")
    run("ip", "-n", FAR, "link", "set", "xdp1", "up")
    run("ip", "addr", "add", "10.79.0.1/24", "dev", "near0")
    added = net.vswitch("add-port", "lan", "xdp", "type=ethdev", "device=net_af_xdp0,iface=xdp0",
                        check=False)
    if added.returncode != 0:
        print(f"skipped: this kernel or DPDK has no AF_XDP: {added.stderr}")
        sys.exit(SKIPPED)
    net.ping_until_answered(address)
    assert net.ping(count=20, address=address) == 20
    net.vswitch("remove-port", "lan", "xdp")
    assert net.ping(address=address) == 0


def host_sees_a_pulled_cable(net):
    def has_carrier():
        shown = json.loads(run("ip", "-json", "link", "show", "near0").stdout)
        return "LOWER_UP" in shown[0]["flags"]

    assert has_carrier()
    net.vswitch("set-port", "lan", "host", "link=false")
    assert not has_carrier()
    assert net.ping() == 0
    net.vswitch("set-port", "lan", "host", "link=true")
    assert has_carrier()
    net.ping_until_answered()


def wrong_input_is_one_line(net):
    def refused(text, *words):
        done = net.vswitch(*words, check=False)
        assert done.returncode == 1 and done.stdout == "", done
        assert done.stderr.count("\n") == 1 and text in done.stderr, done.stderr

    refused("switches[0].ports[0].vlan.mode: is \"acess\"", "set-port", "lan", "host",
            "vlan.mode=acess")
    refused("interface \"nowhere\": there is none", "add-port", "lan", "x", "type=af_packet",
            "interface=nowhere")
    refused("switch: there is no switch \"wan\"", "macs", "wan")
    refused("\"nonsense\": must be FIELD=VALUE", "set-port", "lan", "host", "nonsense")
    refused("/nowhere: cannot be read", "apply", "/nowhere")
    config = net.folder / "wrong.json"
    config.write_text('{"switches": [{"name": "a", "knd": "private"}]}')
    done = run(net.binary, "run", "--config", config, "--socket", net.folder / "other", check=False)
    assert done.returncode == 1 and "switches[0].knd: is no field here" in done.stderr, done
    done = run(net.binary, "run", "--socket", net.socket, check=False)
    assert done.returncode == 1 and "is served by another process" in done.stderr, done
    assert run(net.binary, "dance", check=False).returncode == 2


def telemetry_tells_of_two_processes(net):
    """Each has a socket of its own; what one shows the other does not."""
    sockets = net.folder / "dpdk" / "viridian"
    second = net.folder / "second"
    other = subprocess.Popen([str(net.binary), "run", "--socket", str(second)],
                             stdout=subprocess.PIPE, text=True, env=net.env)
    assert other.stdout.readline().startswith("vswitch: serving")

    def ask(name, request):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(10)
            client.connect(str(sockets / name))
            client.recv(16384)
            client.send(request.encode())
            return json.loads(client.recv(16384))[request.split(",")[0]]

    try:
        assert ask("dpdk_telemetry.v2", "/viridian/ports") == ["lan/host", "lan/up"]
        assert ask("dpdk_telemetry.v2:1", "/viridian/ports") == []
        before = ask("dpdk_telemetry.v2", "/viridian/port,lan/up")["counters"]["rx_frames"]
        assert net.ping(count=5) == 5
        port = ask("dpdk_telemetry.v2", "/viridian/port,lan/up")
        assert port["counters"]["rx_frames"] >= before + 5, port
        assert ask("dpdk_telemetry.v2", "/viridian/port,lan/x") == {
            "error": "there is no port \"lan/x\""}
        if shutil.which("dpdk-telemetry.py"):
            told = run("dpdk-telemetry.py", "-f", "viridian", input="/viridian/switches\n",
                       env=net.env).stdout
            assert told == '{"/viridian/switches": ["lan"]}\n', told
    finally:
        other.terminate()
        assert other.wait(timeout=20) == 0
    assert {path.name for path in sockets.iterdir()} == {"dpdk_telemetry.v2"}


def idle_switch_sleeps(net):
    def ticks():
        fields = pathlib.Path(f"/proc/{net.daemon.pid}/stat").read_text().rsplit(") ")[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(2)
    used = (ticks() - before) / os.sysconf("SC_CLK_TCK") / 2
    status = pathlib.Path(f"/proc/{net.daemon.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
    print(f"idle: {100 * used:.1f} % of a core; {resident:.0f} MiB resident")
    assert used < 0.1, used
    assert net.ping(count=5) == 5


CASES = [frames_pass_from_host_to_namespace, capture_opens_in_tcpdump, live_changes_take_effect,
         ports_come_and_go_without_loss, two_workers_share_a_switch, tcp_keeps_its_offloads,
         every_mix_of_offloads_carries_tcp, memif_joins_two_processes,
         joined_segments_can_be_cut_again,
         af_xdp_device_carries_frames, host_sees_a_pulled_cable, wrong_input_is_one_line,
         telemetry_tells_of_two_processes, idle_switch_sleeps]


def possible():
    if os.geteuid() != 0 or not shutil.which("ip") or not os.path.exists("/dev/net/tun"):
        return False
    return subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode == 0


def main():
    binary = pathlib.Path(sys.argv[1]) / "vswitch"
    case = {c.__name__: c for c in CASES}[sys.argv[2]]
    if len(sys.argv) == 3:
        if not possible():
            print("not here: network namespaces (root), ip, or /dev/net/tun")
            return SKIPPED
        # Once more, in a namespace of its own.
        return subprocess.run(["unshare", "--net", sys.executable, *sys.argv, "inside"]).returncode
    with tempfile.TemporaryDirectory() as folder:
        try:
            net = Net(binary, pathlib.Path(folder), 2 if case == two_workers_share_a_switch else 1)
            try:
                case(net)
            finally:
                net.close()
        finally:
            for name in (FAR, THIRD):
                subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
