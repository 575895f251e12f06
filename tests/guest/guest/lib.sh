# Functions for /init and the cases of the tested guest (busybox sh).
# Output protocol: "VIRIDIAN <word> <text>"; words: start, ok, fail, note, warning, end.

failures=0
say() { echo "VIRIDIAN $*"; }
note() { say note "$@"; }
ok() { say ok "$@"; }
fail() { say fail "$@"; failures=$((failures + 1)); }

# check <text> <command...>: one result line for one command.
check() {
  text=$1
  shift
  if "$@" > /tmp/check.log 2>&1; then
    ok "$text"
  else
    fail "$text: $(tail -n 1 /tmp/check.log)"
  fi
}

# The parameters of one module: insmod does not read the kernel command line, modprobe would.
module_parameters() {
  for word in $(cat /proc/cmdline); do
    case $word in "$1".*=*) echo "${word#*.}" ;; esac
  done
}

load_modules() {
  while read -r path; do
    name=$(basename "$path" .ko | tr - _)
    # shellcheck disable=SC2046
    insmod "$path" $(module_parameters "$name") || fail "insmod $path"
  done < "$1"
}

# Disks are known by the label in their first sector ("VIRIDIAN <label>"), never by their order.
# Prints one line for each disk that carries the label.
disks_labelled() {
  for disk in /sys/block/sd*; do
    [ -e "$disk" ] || continue
    found=$(dd if="/dev/${disk##*/}" bs=512 count=1 2> /dev/null | tr -d '\0' | head -n 1)
    [ "$found" = "VIRIDIAN $1" ] && echo "${disk##*/}"
  done
}

# wait_for_disk <label>: sets $disk, or fails after a while. Probing is asynchronous in the guest.
wait_for_disk() {
  tries=0
  while [ $tries -lt 100 ]; do
    disk=$(disks_labelled "$1" | head -n 1)
    [ -n "$disk" ] && return 0
    tries=$((tries + 1))
    usleep 200000
  done
  fail "disk $1 did not appear"
  return 1
}

# The driver that serves a disk, as its SCSI host says: ata_piix or storvsc_host.
disk_driver() {
  host=$(readlink -f "/sys/block/$1/device" | sed 's|.*/\(host[0-9]*\)/.*|\1|')
  cat "/sys/class/scsi_host/$host/proc_name"
}

# Kernel messages of level warning and worse; the test knows which are allowed.
report_warnings() {
  dmesg -r | awk '/^<[0-9]+>/ {
    level = substr($0, 2, index($0, ">") - 2) % 8
    if (level <= 4) print "VIRIDIAN warning " substr($0, index($0, ">") + 1)
  }'
}

end_guest() {
  sync
  poweroff -f
}

# sums_to <file> <sha256>
sums_to() { [ "$(sha256sum < "$1" | cut -c1-64)" = "$2" ] || { echo "sha256 differs"; return 1; }; }

# read_matches <text> <offset> <length> <request> <sha256>: reads from $disk by requests of one size.
read_matches() {
  check "$1" guestio read "/dev/$disk" "$2" "$3" "$4" /tmp/read
  check "$1: bytes" sums_to /tmp/read "$5"
}

# expect_disk <label> <driver>: sets $disk; it is there exactly once, and this driver serves it.
expect_disk() {
  wait_for_disk "$1" || return 1
  found=$(disks_labelled "$1" | wc -l)
  [ "$found" = 1 ] || fail "disk $1 is there $found times"
  driver=$(disk_driver "$disk")
  if [ "$driver" = "$2" ]; then ok "disk $1 on $2"; else fail "disk $1 is on $driver, not $2"; fi
}
