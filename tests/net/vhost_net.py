#!/usr/bin/env python3
"""vhost-user ports of `vswitch run` with dpdk-testpmd as the guest: vhost_net.py BIN_DIR CASE.

testpmd has two virtio devices (virtio_user) and passes each frame of one to the other. Each is the
guest of one switch, whose other port is a tap: what one tap sends must come out of the other.

    near0 - switch a - vhost-user a - testpmd - vhost-user b - switch b - far0 (another namespace)

Exits with 77 where that is not possible: root, ip, /dev/net/tun, dpdk-testpmd.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import vswitch_net
from vswitch_net import FAR, FAR_IP, HOST_IP, SKIPPED, run

PATIENCE_S = 60  # a machine with a lot of other work


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.02)


class Guest:
    """A running dpdk-testpmd; without hugepages, so that nothing of the machine is taken."""

    def __init__(self, folder, options=""):
        self.log = open(folder / "testpmd.log", "ab")
        command = ["dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
                   "--no-shconf", f"--lcores=0@{cpus()},1@{cpus()}"]
        for i, side in enumerate("ab"):
            command.append(f"--vdev=net_virtio_user{i},path={folder}/{side}.sock,queue_size=256"
                           + options)
        command += ["--", "-i", "--auto-start", "--forward-mode=io", "--total-num-mbufs=4096"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log,
                                      stderr=self.log)

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.log.close()


def cpus():
    return "(" + ",".join(map(str, sorted(os.sched_getaffinity(0)))) + ")"


class Chain:
    def __init__(self, binary, folder, client=False):
        self.binary, self.folder = binary, folder
        self.socket = folder / "socket"
        self.client = client
        self.config = folder / "chain.json"
        self.config.write_text(json.dumps({"switches": [
            {"name": side, "kind": "internal", "ports": [
                {"name": "tap", "type": "tap", "interface": tap, "role": "host"},
                {"name": "guest", "type": "vhost-user", "socket": str(folder / f"{side}.sock"),
                 "client": client}]}
            for side, tap in (("a", "near0"), ("b", "far0"))]}))
        run("ip", "link", "set", "lo", "up")
        run("ip", "netns", "add", FAR)
        self.daemon = None

    def start(self):
        env = {**os.environ, "RUNTIME_DIRECTORY": str(self.folder)}
        self.daemon = subprocess.Popen(
            [str(self.binary), "run", "--config", str(self.config), "--socket", str(self.socket)],
            stdout=subprocess.PIPE, text=True, env=env)
        line = self.daemon.stdout.readline()
        assert line == f"vswitch: serving {self.socket}\n", line
        run("ip", "link", "set", "near0", "up")
        run("ip", "addr", "add", f"{HOST_IP}/24", "dev", "near0")
        run("ip", "link", "set", "far0", "netns", FAR)
        run("ip", "-n", FAR, "link", "set", "far0", "up")
        run("ip", "-n", FAR, "addr", "add", f"{FAR_IP}/24", "dev", "far0")

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None

    def close(self):
        if self.daemon is None:
            return
        self.daemon.terminate()
        assert self.daemon.wait(timeout=PATIENCE_S) == 0
        assert self.client or not (self.folder / "a.sock").exists()

    def carriers(self):
        shown = json.loads(run(self.binary, "--socket", self.socket, "show", "--json").stdout)
        return [port["carrier"] for one in shown["switches"] for port in one["ports"]
                if port["name"] == "guest"]

    def ping(self, count, wait=1):
        done = run("ping", "-n", "-c", count, "-i", "0.01", "-W", wait, FAR_IP, check=False)
        return int(re.search(r"(\d+) received", done.stdout).group(1))

    def expect_service(self):
        until(lambda: self.carriers() == [True, True], "both guests are there")
        until(lambda: self.ping(1) == 1, "an answer")
        assert self.ping(20, wait=10) == 20


def guest_that_is_killed_may_come_back(chain, options="", times=2):
    chain.start()
    assert chain.carriers() == [False, False]
    assert chain.ping(1, wait=0.2) == 0
    for _ in range(times):
        guest = Guest(chain.folder, options)
        try:
            chain.expect_service()
        finally:
            guest.kill()
        until(lambda: chain.carriers() == [False, False], "the guests are gone")
    assert chain.ping(1, wait=0.2) == 0


def packed_rings_carry_frames(chain):
    guest_that_is_killed_may_come_back(chain, ",packed_vq=1", times=1)


def switch_that_is_killed_may_come_back(chain):
    guest = Guest(chain.folder, ",server=1")
    try:
        chain.start()
        chain.expect_service()
        chain.kill()
        chain.start()
        chain.expect_service()
        chain.close()
        chain.daemon = None
        assert guest.child.poll() is None
    finally:
        guest.kill()


CASES = [guest_that_is_killed_may_come_back, packed_rings_carry_frames,
         switch_that_is_killed_may_come_back]


def main():
    case = {c.__name__: c for c in CASES}[sys.argv[2]]
    if len(sys.argv) == 3:
        if not vswitch_net.possible() or not shutil.which("dpdk-testpmd"):
            print("not here: network namespaces (root), ip, /dev/net/tun, or dpdk-testpmd")
            return SKIPPED
        # Once more, in a namespace of its own.
        return subprocess.run(["unshare", "--net", sys.executable, *sys.argv, "inside"]).returncode
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            chain = Chain(pathlib.Path(sys.argv[1]) / "vswitch", folder,
                          client=case is switch_that_is_killed_may_come_back)
            try:
                case(chain)
            except BaseException:
                print((folder / "testpmd.log").read_text()[-4000:])
                raise
            finally:
                chain.close()
        finally:
            subprocess.run(["ip", "netns", "del", FAR], stderr=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
