"""What a guest does besides reading and writing: reset, and drivers that go and come back."""

from machine.images import make_disk, verify
from machine.lab import Failure, Lab

from .warnings import ALLOWED

RESET = "report_warnings\nsay end 0 failures\nsync\nreboot -f\n"


def reset_ends_the_machine(lab: Lab) -> None:
    run = lab.boot(lab.folder("reset"), script=RESET, cpus=2)
    run.expect_end(code=3, allowed=ALLOWED)


def reset_starts_it_again(lab: Lab) -> None:
    """The first boot marks the disk and resets; the second one finds the mark and powers off."""
    folder = lab.folder("reset_again")
    disk = make_disk(folder, "boot", "differencing")
    mark = b"seen".ljust(512, b"\n")
    offset = 5 << 20
    disk.write(offset, mark)
    script = f"""
expect_disk boot storvsc_host
guestio read /dev/$disk {offset} 512 512 /tmp/mark
if ! grep -q seen /tmp/mark; then
  note first boot
  check "mark the disk" guestio write /dev/$disk {offset} 512 512 /mark
  reboot -f
fi
note second boot
"""
    run = lab.boot(folder, [f"ide0:0={disk.file.name}"], script=script, files={"mark": mark},
                   options=["--on-reset", "reboot"], cpus=2)
    run.expect_end(allowed=ALLOWED)
    if run.said("note") != ["first boot", "second boot"]:
        raise Failure(f"the guest came by {run.said('note')}")
    verify(disk)


def driver_is_loaded_again(lab: Lab) -> None:
    folder = lab.folder("reload")
    disk = make_disk(folder, "data", "dynamic")
    sums = disk.sha256(1 << 20, 128 << 10)
    read = f"read_matches 'read' {1 << 20} {128 << 10} 65536 {sums}\n"
    script = f"expect_disk data storvsc_host\n{read}" + """
for round in 1 2; do
  check "unload" rmmod hv_storvsc
  [ -z "$(disks_labelled data)" ] || fail "the disk is still there"
  check "load" insmod /modules/hv_storvsc.ko
  expect_disk data storvsc_host
""" + read + "done\n" + """
check "unload" rmmod hv_storvsc
check "unload vmbus" rmmod hv_utils hv_vmbus
check "load vmbus" insmod /modules/hv_vmbus.ko
check "load" insmod /modules/hv_storvsc.ko
expect_disk data storvsc_host
""" + read
    run = lab.boot(folder, [f"scsi0:0={disk.file.name}"], script=script, cpus=2)
    run.expect_end(allowed=ALLOWED)
    verify(disk)


CASES = {
    "a reset ends vmm-minimal with code 3": reset_ends_the_machine,
    "a reset starts the guest again": reset_starts_it_again,
    "hv_storvsc and hv_vmbus unload and load": driver_is_loaded_again,
}
