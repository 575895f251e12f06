"""CD-ROM drives: ATAPI on IDE, which has no accelerator channel, and a DVD drive on SCSI."""

import hashlib

from machine.images import KIB, MIB, random_bytes
from machine.lab import Lab

from .warnings import ALLOWED

DISC_BYTES = 3 * MIB
READ_AT, READ_BYTES = 1 * MIB, 128 * KIB


# Drives are probed in the background; the loop in drive_of waits for one to appear.
FUNCTIONS = """
not() { ! "$@"; }
drive_of() {
  tries=0
  while [ $tries -lt 100 ]; do
    for drive in /sys/block/sr*; do
      [ -e $drive ] && [ "$(disk_driver ${drive##*/})" = "$1" ] && echo ${drive##*/} && return
    done
    tries=$((tries + 1))
    usleep 200000
  done
}
"""


def drives_are_read(lab: Lab) -> None:
    folder = lab.folder("cdrom")
    arguments = []
    script = ""
    for address, driver in (("ide1:0", "ata_piix"), ("scsi0:3", "storvsc_host")):
        content = random_bytes(f"disc {address}", DISC_BYTES)
        name = f"{driver}.iso"
        (folder / name).write_bytes(content)
        arguments.append(f"{address}={name},cdrom")
        digest = hashlib.sha256(content[READ_AT:READ_AT + READ_BYTES]).hexdigest()
        script += f"""
disk=$(drive_of {driver})
check "{address}: there is a drive" test -n "$disk"
check "{address}: its size" test "$(cat /sys/block/$disk/size)" = {DISC_BYTES // 512}
read_matches "{address}: read by 2048" {READ_AT} {READ_BYTES} 2048 {digest}
read_matches "{address}: read by 65536" {READ_AT} {READ_BYTES} 65536 {digest}
check "{address}: cannot be written" not guestio write /dev/$disk 0 2048 2048 /lib.sh
"""
    run = lab.boot(folder, arguments, modules="cdrom", script=FUNCTIONS + script)
    run.expect_end(allowed=ALLOWED)


CASES = {"CD-ROM drives on IDE and SCSI": drives_are_read}
