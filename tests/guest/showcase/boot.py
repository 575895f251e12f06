"""The boot: a root file system in a differencing VHD, seen on IDE first and on VMBus after.

The files of the root file system have checksums made outside, and what the guest writes is compared
outside after power-off; the base image must stay as it was, byte for byte.
"""

import hashlib
import shutil
from pathlib import Path

from machine.images import KIB, MIB, VHDTOOL, make_disk, random_bytes, tool, verify
from machine.initramfs import find_busybox
from machine.lab import MARK, Failure, Lab, LineSink

from .screen import Screen

ROOT_MIB = 64
LABEL = b"VIRIDIAN boot\n"  # ext4 leaves the first 1024 bytes of a disk alone
DATA_AT, DATA_BYTES = 4 * MIB, 1 * MIB
REPORT = b"Written by the guest through hv_storvsc.\n" * 400

SCRIPT = f"""
note "IDE: ata_piix finds the boot disk on the emulated controller"
expect_disk boot ata_piix
note "$disk: $(cat /sys/block/$disk/size) sectors, $(cat /sys/block/$disk/device/model)"
check "read 1 MiB of it by bus-master DMA" guestio read /dev/$disk 0 {MIB} 65536 /tmp/ide
rmmod ata_piix

note "VMBus: the guest loads its own hv_vmbus and hv_storvsc"
while read -r path; do
  case $path in */ata_piix.ko) continue ;; esac
  insmod $path 2> /dev/null
done < /modules/root
note "VMBus version $(dmesg | sed -n 's/.*Vmbus version:\\(.*\\)/\\1/p')"
for device in /sys/bus/vmbus/devices/*; do
  note "VMBus device $(cat $device/class_id) $(readlink -f $device/driver | sed 's|.*/||')"
done
expect_disk boot storvsc_host
note "the same disk is now $disk, through VMBus"
check "read the same 1 MiB" guestio read /dev/$disk 0 {MIB} 65536 /tmp/vmbus
check "both paths read the same bytes" cmp /tmp/ide /tmp/vmbus

mkdir -p /root
check "mount the root file system" mount -t ext4 /dev/$disk /root
check "its files match the checksums made outside" chroot /root /bin/sh /verify.sh
check "write a file into it" cp /report /root/report
check "unmount" umount /root

expect_disk data storvsc_host
note "$disk: the data disk, on the SCSI controller"
check "write 1 MiB by 64 KiB" guestio write /dev/$disk {DATA_AT} {DATA_BYTES} 65536 /data
check "flush" guestio flush /dev/$disk
check "read it back" guestio read /dev/$disk {DATA_AT} {DATA_BYTES} 65536 /tmp/back
check "it is the same" cmp /data /tmp/back
"""


def make_root(folder: Path) -> None:
    """A raw disk image with an ext4 file system: busybox, some files, their checksums."""
    tree = folder / "tree"
    for name in ("bin", "files"):
        (tree / name).mkdir(parents=True)
    shutil.copy(find_busybox(), tree / "bin" / "busybox")
    (tree / "bin" / "sh").symlink_to("busybox")
    sums = ""
    for number in range(8):
        content = random_bytes(f"root {number}", (16 << number) * KIB // 16)
        (tree / "files" / str(number)).write_bytes(content)
        sums += f"{hashlib.sha256(content).hexdigest()}  /files/{number}\n"
    (tree / "sums").write_text(sums)
    (tree / "verify.sh").write_text("/bin/busybox sha256sum -c /sums\n")
    image = folder / "root.img"
    with image.open("wb") as file:
        file.truncate(ROOT_MIB * MIB)
    maker = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") or "mkfs.ext4"
    tool(maker, "-q", "-F", "-d", tree, image)
    with image.open("r+b") as file:
        file.write(LABEL)
    shutil.rmtree(tree)


def read_report(folder: Path) -> bytes:
    raw = folder / "after.img"
    tool(VHDTOOL, "convert", "--to", "raw", folder / "boot.vhd", raw)
    reader = shutil.which("debugfs", path="/usr/sbin:/sbin") or "debugfs"
    copy = folder / "report"
    tool(reader, "-R", f"dump /report {copy}", raw)
    checker = shutil.which("e2fsck", path="/usr/sbin:/sbin") or "e2fsck"
    tool(checker, "-f", "-n", raw)
    raw.unlink()
    return copy.read_bytes()


def line_sink(screen: Screen) -> LineSink:
    def show(line: str) -> None:
        _, mark, text = line.partition(MARK)
        word, _, rest = text.partition(" ")
        if not mark:
            screen.guest(line)
        elif word in ("note", "ok"):
            screen.guest(("  ok: " if word == "ok" else "") + rest)
        elif word == "fail":
            screen.bad(rest)

    return show


def show(screen: Screen, lab: Lab) -> None:
    folder = lab.folder("boot")
    screen.step("Images")
    make_root(folder)
    for command in (["convert", "root.img", "base.vhd"], ["snapshot", "base.vhd", "boot.vhd"]):
        screen.say(f"$ vhdtool {' '.join(command)}")
        tool(VHDTOOL, command[0], *(folder / name for name in command[1:]))
    (folder / "root.img").unlink()
    data = make_disk(folder, "data", "fixed")
    screen.say("boot.vhd is empty and reads through to base.vhd; data.vhd is a fixed disk")
    base = hashlib.sha256((folder / "base.vhd").read_bytes()).hexdigest()

    written = random_bytes("demo", DATA_BYTES)
    data.write(DATA_AT, written)
    screen.step("The guest: Debian's kernel, with boot.vhd as ide0:0 and data.vhd as scsi0:0")
    watching = Lab(lab.session, lab.kernel, lab.place, line_sink(screen))
    run = watching.boot(folder, ["ide0:0=boot.vhd", "scsi0:0=data.vhd"], cpus=2, modules="ide_only",
                        append="ata_piix.prefer_ms_hyperv=0", script=SCRIPT,
                        files={"report": REPORT, "data": written})
    if run.said("fail") or not run.said("end") or run.outcome.code != 0:
        raise Failure(f"the guest failed; all it said: {run.log}")

    screen.step("After power-off")
    screen.good("vmm-minimal ended with 0: the guest switched itself off")
    screen.say(tool(VHDTOOL, "check", folder / "boot.vhd").rstrip())
    if hashlib.sha256((folder / "base.vhd").read_bytes()).hexdigest() != base:
        raise Failure("base.vhd has changed")
    screen.good("base.vhd is unchanged; what the guest wrote is in boot.vhd alone")
    if read_report(folder) != REPORT:
        raise Failure("the file that the guest wrote into boot.vhd has other bytes")
    screen.good("the guest's file is in boot.vhd, and its file system is clean (e2fsck)")
    verify(data)
    screen.good("data.vhd holds exactly what was written, as qemu-img reads it")
