"""What hdparm and smartctl say of an emulated IDE disk: they send ATA commands of their own."""

from machine.images import DISK_BYTES, make_disk
from machine.lab import Lab
from machine.programs import with_libraries

from .warnings import ALLOWED

def tools_read_the_disk(lab: Lab) -> None:
    folder = lab.folder("disk_tools")
    disk = make_disk(folder, "tools", "fixed")
    files = {**with_libraries("hdparm"), **with_libraries("smartctl")}
    script = f"""
says() {{ text=$1; shift; check "$text" grep -q "$text" /tmp/said; }}
if expect_disk {disk.label} ata_piix; then
  check "hdparm -I" sh -c "hdparm -I /dev/$disk > /tmp/said 2>&1"
  says "LBA48  user addressable sectors: *{DISK_BYTES // 512}"
  says "[*].*Mandatory FLUSH_CACHE"
  says "[*].*48-bit Address feature set"
  says "[*].*SMART feature set"
  says "Write cache"
  check "hdparm -W0" sh -c "hdparm -W0 /dev/$disk > /tmp/said 2>&1"
  says "write-caching =  0 (off)"
  check "hdparm -W1" sh -c "hdparm -W1 /dev/$disk > /tmp/said 2>&1"
  says "write-caching =  1 (on)"
  check "hdparm -C" sh -c "hdparm -C /dev/$disk > /tmp/said 2>&1"
  says "drive state is:  active/idle"
  check "smartctl -a" sh -c "smartctl -a /dev/$disk > /tmp/said 2>&1"
  says "SMART support is: Enabled"
  says "overall-health self-assessment test result: PASSED"
fi
"""
    run = lab.boot(folder, [f"ide0:0={disk.file.name}"], modules="ide",
                   append="ata_piix.prefer_ms_hyperv=0", script=script, files=files)
    run.expect_end(allowed=ALLOWED)


CASES = {"hdparm and smartctl read an IDE disk": tools_read_the_disk}
