"""The 21140 with Linux's tulip driver: two NICs of one guest, each in a network namespace of its
own, so that what one sends to the other must take the way through both NICs and the switch."""

from machine.lab import Failure, GuestRun, Lab

from .warnings import ALLOWED

MACS = ("00:15:5d:21:14:01", "00:15:5d:21:14:02")
TCP_BYTES = 256 << 10

SETUP = f"""
# Prints the name of the interface with this address.
interface_of() {{
  for path in /sys/class/net/*; do
    [ "$(cat "$path/address")" = "$1" ] && basename "$path"
  done
}}
there() {{ nsenter -t "$peer" -n "$@"; }}
here() {{ "$@"; }}
counter_is() {{ [ "$(cat "/sys/class/net/$left/statistics/$1")" = "$2" ]; }}
bring_up() {{
  left=$(interface_of {MACS[0]})
  right=$(interface_of {MACS[1]})
  [ -n "$left" ] && [ -n "$right" ] || fail "the NICs did not appear: '$left' '$right'"
  unshare -n sleep 100000 &
  peer=$!
  usleep 300000
  ip link set "$right" netns "$peer"
  ip link set "$left" up
  there ip link set "$right" up
}}
addresses() {{
  ip addr add 10.0.0.1/24 dev "$1"
  there ip addr add 10.0.0.2/24 dev "$2"
}}
# fetch <text> <runner of the sender> <its address> <runner of the receiver>
# (busybox's nc ends at the end of what it receives; its input must not end before.)
fetch() {{
  $2 nc -l -p 5000 < /tmp/stream &
  usleep 500000
  $4 nc "$3" 5000 <&3 > /tmp/received
  check "$1" cmp /tmp/stream /tmp/received
}}
"""

TRAFFIC = f"""
mkfifo /tmp/never
exec 3<> /tmp/never
dd if=/dev/urandom of=/tmp/stream bs=1024 count={TCP_BYTES >> 10} 2> /dev/null
bring_up
addresses "$left" "$right"
check "ping" ping -c 3 -w 20 10.0.0.2
check "ping back" there ping -c 3 -w 20 10.0.0.1
check "full frames" ping -c 3 -s 1472 -w 20 10.0.0.2
check "link" grep -q 1 "/sys/class/net/$left/carrier"
ip -6 addr add fd00::1/64 dev "$left"
there ip -6 addr add fd00::2/64 dev "$right"
check "IPv6" ping6 -c 3 -w 30 fd00::2
fetch "TCP" there 10.0.0.2 here
fetch "TCP back" here 10.0.0.1 there
# (The driver counts each restart of the receiver in rx_errors.)
check "no bad lengths" counter_is rx_length_errors 0
check "no errors sent" counter_is tx_errors 0
ip link set "$left" promisc on
check "promiscuous" ping -c 1 -w 20 10.0.0.2
ip link set "$left" promisc off
ip link set "$left" down
ip link set "$left" up
check "down and up" ping -c 3 -w 20 10.0.0.2
"""

RELOAD = """
kill $peer
wait $peer
usleep 500000
rmmod tulip
insmod /modules/tulip.ko
usleep 500000
bring_up
addresses "$left" "$right"
check "after a reload" ping -c 3 -w 20 10.0.0.2
"""

VLAN = """
for id in 5 6; do
  ip link add link "$left" name "vlan$id" type vlan id $id
  ip link set "vlan$id" up
  there ip link add link "$right" name "vlan$id" type vlan id $id
  there ip link set "vlan$id" up
  ip addr add "10.0.$id.1/24" dev "vlan$id"
  there ip addr add "10.0.$id.2/24" dev "vlan$id"
done
check "VLAN 5" ping -c 2 -w 20 10.0.5.2
check "VLAN 6" ping -c 2 -s 1472 -w 20 10.0.6.2
"""

def net(*extra: str) -> list[str]:
    options = []
    for index, mac in enumerate(MACS):
        options += ["--net", ",".join([f"nic{index}=tulip", "switch=lan", f"mac={mac}", *extra])]
    return options


def boot(lab: Lab, name: str, script: str, options: list[str]) -> GuestRun:
    run = lab.boot(lab.folder(name), script=SETUP + script, modules="net", options=options,
                   limit_s=60)
    run.expect_end(allowed=ALLOWED)
    return run


def traffic(lab: Lab) -> None:
    run = boot(lab, "nic_traffic", TRAFFIC + VLAN + RELOAD, net("vlan=trunk"))
    for nic in ("nic0", "nic1"):
        counters = run.stats[nic]
        for counter in ("transmitted", "received", "transmit_demands", "interrupts",
                        "setup_frames"):
            if counters[counter] == 0:
                raise Failure(f"{nic}: {counter} is 0: {counters}")
        errors = [name for name in counters if name.startswith("guest_error_")]
        if errors or counters["missed"] != 0:
            raise Failure(f"{nic}: {counters}")


CASES = {
    "21140: tulip loads, link is up, sends and receives, VLANs, and is reloaded": traffic,
}
