#!/usr/bin/env python3
"""How soon does a guest run, and what does the VMM itself cost?

Starts vmm-minimal with 512 MiB, a growing VHD on IDE and on SCSI, and a payload of ten bytes: once
one that powers off at once (time to the first instruction, own memory), once one that halts for
ever (processor time of an idle guest). Works on any /dev/kvm. Medians; all lines are absolute, from
the machine's specification, and so is each figure.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(__file__).resolve().parent.parent / "build" / "bin"

# mov dx, 604h (PM1a control); mov ax, SLP_EN | S5; out dx, ax; hlt; jmp to the hlt
POWER_OFF = bytes.fromhex("ba0406 b80034 ef f4 ebfd".replace(" ", ""))
HALT = bytes.fromhex("fa f4 ebfd".replace(" ", ""))  # cli; hlt; jmp to the hlt

MAX_START_MS, MAX_OWN_MIB, MAX_IDLE_PERCENT = 100, 64, 1.0
IDLE_SECONDS = 5


def command(folder, payload):
    return [str(BIN / "vmm-minimal"), "--memory", "512M", "--no-stdin", "--payload", str(payload),
            "--payload-mode", "real", "--disk", f"ide0:0={folder}/boot.vhd",
            "--disk", f"scsi0:0={folder}/data.vhd"]


def start_once(folder, payload):
    stats = folder / "stats.json"
    subprocess.run(command(folder, payload) + ["--stats-json", str(stats)], check=True,
                   timeout=30, stdout=subprocess.DEVNULL)
    process = json.loads(stats.read_text())["process"]
    return process["time_to_first_run_us"] / 1000, process["own_memory_kib"] / 1024


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_percent(folder, payload):
    vmm = subprocess.Popen(command(folder, payload), stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        before, began = processor_seconds(vmm.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        used, passed = processor_seconds(vmm.pid) - before, time.monotonic() - began
    finally:
        vmm.send_signal(signal.SIGTERM)
        vmm.wait(timeout=30)
    return 100 * used / passed


def report(what, figure, unit, line):
    met = figure <= line
    print(f"{what:34} {figure:8.2f} {unit:12} line <= {line} {unit}: {'met' if met else 'MISSED'}")
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("not measured: /dev/kvm is not there or not ours")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for disk in ("boot.vhd", "data.vhd"):
            subprocess.run([BIN / "vhdtool", "create", folder / disk, "20G"], check=True,
                           stdout=subprocess.DEVNULL)
        off, halt = folder / "off.bin", folder / "halt.bin"
        off.write_bytes(POWER_OFF)
        halt.write_bytes(HALT)
        starts, memories = zip(*(start_once(folder, off) for _ in range(rounds)))
        met = [
            report("start to first instruction", statistics.median(starts), "ms", MAX_START_MS),
            report("own memory", statistics.median(memories), "MiB", MAX_OWN_MIB),
            report("idle guest (halted)", idle_percent(folder, halt), "% of a core",
                   MAX_IDLE_PERCENT),
        ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
