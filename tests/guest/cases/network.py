"""Two guests of one process and the host, on three switches of the process:

    lan     a (NetVSP) and b (NetVSP), trunks; the host's port gets the mirror of a's
    mixed   a (NetVSP) and b (21140); the host's port is pinged
    wan     a (NetVSP); the uplink is bridged with a namespace that has dnsmasq and a web server

b serves and waits; a asks, and ends the test. All in one boot, since a nested boot is slow.
"""

import subprocess
from pathlib import Path

from machine.images import random_bytes
from machine.lab import Failure, GuestRun, Lab
from machine.paths import BIN
from machine.programs import program_path, with_libraries

from .warnings import ALLOWED, ALLOWED_WITH_RSC

FILE_BYTES = 1 << 20

# The first who connects has the cable of a's port on lan pulled out, the second has it put back.
CABLE = f"""
cable() {{
  for link in false true; do
    timeout 300 busybox nc -l -p 7000 < /dev/null
    {BIN}/vswitch --socket $PWD/control set-port lan a.nic0 link=$link
  done
}}
"""

HOST = CABLE + """
# lan0, mixed0 and wan0 are made here, so that they are up when vmm-minimal attaches to them.
ip link set lo up
for name in lan0 mixed0 wan0; do
  ip tuntap add dev $name mode tap vnet_hdr
  ip link set $name up
done
ip link set lan0 mtu 9000
ip addr add 10.2.0.254/24 dev mixed0
jobs=
# later <command...>: in the background until the end, apart from the output that ends this run.
later() {
  "$@" > "$1.$#.log" 2>&1 &
  jobs="$jobs $!"
}
later unshare --net sleep 1000
there=$!
sleep 0.3
ip link add outside type veth peer name inside
ip link set inside netns $there
ip link add bridge0 type bridge
for name in wan0 outside; do ip link set $name master bridge0; done
ip link set outside up
ip link set bridge0 up
in_there="nsenter -t $there -n"
$in_there ip link set lo up
$in_there ip link set inside up
$in_there ip addr add 10.3.0.1/24 dev inside
mkdir www
cp data www/
later $in_there dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=inside \
  --dhcp-range=10.3.0.50,10.3.0.60,1h --dhcp-leasefile=$PWD/leases --user=root --pid-file=
later $in_there busybox httpd -f -p 80 -h $PWD/www
later $in_there tcpdump -Z root -U -s 128 -i inside -w inside.pcap tcp
later tcpdump -Z root -U -s 128 -i lan0 -w mirror.pcap icmp or vlan
later ping -c 200 10.2.0.1
later cable
"$@"
code=$?
kill $jobs
wait
exit $code
"""

COMMON = """
# name_nic <MAC address> <name>
name_nic() {
  for path in /sys/class/net/*; do
    [ "$(cat "$path/address")" = "$1" ] || continue
    ip link set "$(basename "$path")" name "$2" && return
  done
  fail "no NIC has the address $1"
}
for path in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $path; done
ip link set lo up
# up <name> <number>: the guest's addresses on the switch of this number.
up() {
  ip link set "$1" up
  ip addr add "10.$2.0.$me/24" dev "$1"
  ip -6 addr add "fd0$2::$me/64" dev "$1"
}
# vlan <id>
vlan() {
  ip link add link lan name "vlan$1" type vlan id "$1"
  ip link set "vlan$1" up
  ip addr add "10.1.$1.$me/24" dev "vlan$1"
}
# same_data <text> <address>: what the web server there has is what we have too. (busybox's wget
# looks for its service's port in a way that a static program must not; nc ends with its input.)
mkfifo /tmp/never
exec 3<> /tmp/never
same_data() {
  printf 'GET /data HTTP/1.0\\r\\n\\r\\n' >&3
  timeout 60 nc "$2" 80 <&3 | tail -c """ + f"{FILE_BYTES}" + """ > /tmp/got
  check "$1" cmp /tmp/got /data
}
# ask_for_cable <text> <carrier that it leads to>
ask_for_cable() {
  tries=0
  until echo | nc -w 5 10.2.0.254 7000 || [ $tries = 50 ]; do
    tries=$((tries + 1))
    usleep 200000
  done
  tries=0
  until [ "$(cat /sys/class/net/lan/carrier)" = "$2" ] || [ $tries = 100 ]; do
    tries=$((tries + 1))
    usleep 100000
  done
  check "$1" [ "$(cat /sys/class/net/lan/carrier)" = "$2" ]
}
# flow <text> <options...>
flow() {
  text=$1
  shift
  if timeout 60 iperf3 --connect-timeout 5000 "$@" > /tmp/flow 2>&1; then
    ok "$text: $(grep -E 'sender|receiver' /tmp/flow | tail -n 1 | tr -s ' ')"
  else
    fail "$text: $(tail -n 2 /tmp/flow)"
  fi
}
"""

GUEST_B = """
me=2
name_nic 00:15:5d:00:01:01 lan
name_nic 00:15:5d:00:01:02 mixed
ip link set lan mtu 9000
up lan 1
up mixed 2
vlan 5
vlan 6
mkdir /www
cp /data /www/
iperf3 -s -D > /dev/null 2>&1
httpd -p 80 -h /www
timeout 400 nc -l -p 9999 > /dev/null || fail "a did not come to its end"
# RSS: what a sent in several flows came by both channels.
for queue in 0 1; do
  count=$(ethtool -S lan | sed -n "s/ *rx_queue_${queue}_packets: //p")
  check "channel $queue received ($count)" [ "${count:-0}" -gt 20 ]
done
check "both channels are in the hash table" sh -c \\
  'ethtool -x lan | grep -q "^ *0: .*0 *1 " && ethtool -l lan | grep -q "Combined:.*2"'
"""

GUEST_A = """
me=1
name_nic 00:15:5d:00:00:01 lan
name_nic 00:15:5d:00:00:02 mixed
name_nic 00:15:5d:00:00:03 wan
ip link set lan mtu 9000
up lan 1
up mixed 2
vlan 5
vlan 6
tries=0
until echo | nc -w 2 10.2.0.2 80 > /dev/null 2>&1 || [ $tries = 100 ]; do
  tries=$((tries + 1))
  usleep 300000
done

# NetVSP to NetVSP
check "NetVSP: ping" ping -c 3 -w 20 10.1.0.2
check "NetVSP: IPv6" ping6 -c 2 -w 20 fd01::2
check "NetVSP: jumbo" ping -c 2 -s 8972 -w 20 10.1.0.2
check "NetVSP: VLAN 5" ping -c 2 -w 20 10.1.5.2
check "NetVSP: VLAN 6, full frames" ping -c 2 -s 8968 -w 20 10.1.6.2
same_data "NetVSP: TCP" 10.1.0.2
flow "NetVSP: TCP with TSO" -c 10.1.0.2 -n 8M
flow "NetVSP: TCP back" -c 10.1.0.2 -n 8M -R
flow "NetVSP: TCP over IPv6" -c fd01::2 -n 2M
flow "NetVSP: TCP in a VLAN" -c 10.1.5.2 -n 2M
flow "NetVSP: UDP" -c 10.1.0.2 -u -b 2M -l 1400 -n 200K
flow "NetVSP: 8 flows" -c 10.1.0.2 -P 8 -n 256K
check "TSO off" ethtool -K lan tso off
flow "NetVSP: TCP without TSO" -c 10.1.0.2 -n 2M
check "TSO on" ethtool -K lan tso on
check "ethtool -k" sh -c 'ethtool -k lan | grep -q "^tcp-segmentation-offload: on"'
check "ethtool -S" sh -c 'ethtool -S lan | grep -q "tx_queue_0_packets"'
ip link set lan down
ip link set lan up
check "NetVSP: after down and up" ping -c 2 -w 20 10.1.0.2

# NetVSP to 21140
check "21140: ping" ping -c 3 -w 20 10.2.0.2
check "21140: IPv6" ping6 -c 2 -w 20 fd02::2
check "21140: full frames" ping -c 2 -s 1472 -w 20 10.2.0.2
same_data "21140: TCP" 10.2.0.2
flow "21140: TCP to it" -c 10.2.0.2 -n 512K
flow "21140: TCP from it" -c 10.2.0.2 -n 512K -R
flow "21140: UDP" -c 10.2.0.2 -u -b 1M -l 1400 -n 50K
check "internal switch: the host answers" ping -c 2 -w 20 10.2.0.254
ask_for_cable "NetVSP: the cable is out" 0
check "NetVSP: nothing passes" sh -c '! ping -c 1 -w 1 10.1.0.2'
ask_for_cable "NetVSP: the cable is in" 1
check "NetVSP: after the cable" ping -c 2 -w 20 10.1.0.2

# The way out
cat > /tmp/lease <<'END'
#!/bin/sh
[ "$1" = bound ] && ip addr add "$ip/24" dev "$interface"
exit 0
END
chmod +x /tmp/lease
ip link set wan up
check "external switch: DHCP" udhcpc -q -n -t 10 -i wan -s /tmp/lease
note "lease $(ip -4 addr show dev wan | sed -n 's/ *inet \\([^ ]*\\).*/\\1/p')"
same_data "external switch: web server" 10.3.0.1

rmmod hv_netvsc
insmod /modules/hv_netvsc.ko
usleep 500000
name_nic 00:15:5d:00:00:01 lan
up lan 1
check "NetVSP: after a reload" ping -c 2 -w 20 10.1.0.2
name_nic 00:15:5d:00:00:02 mixed
up mixed 2
echo end | nc -w 20 10.2.0.2 9999
"""


def configuration() -> dict[str, object]:
    def nic(number: int, kind: str, switch: str, **more: str) -> dict[str, str]:
        return {"nic": f"nic{number}", "kind": kind, "switch": switch, **more}

    return {
        "control": "control",
        "switches": [
            {"name": "lan", "kind": "internal", "tap": "lan0", "mtu": 9000, "vlan": "trunk",
             "mirror": "destination"},
            {"name": "mixed", "kind": "internal", "tap": "mixed0"},
            {"name": "wan", "kind": "external", "tap": "wan0"}],
        "guests": [
            {"name": "a", "cpus": 1,
             "nics": [nic(0, "netvsp", "lan", vlan="trunk", mirror="source"),
                      nic(1, "netvsp", "mixed"), nic(2, "netvsp", "wan")]},
            {"name": "b", "cpus": 2,
             "nics": [nic(0, "netvsp", "lan", vlan="trunk"), nic(1, "tulip", "mixed")]}],
    }


def seen_by_tcpdump(file: Path) -> str:
    return subprocess.run([program_path("tcpdump"), "-e", "-n", "-r", file], check=True,
                          capture_output=True, text=True).stdout


def expect_frames(file: Path, *wanted: str) -> None:
    seen = seen_by_tcpdump(file)
    missing = [text for text in wanted if text not in seen]
    if missing:
        raise Failure(f"{file.name} shows no {', '.join(missing)}")


def expect_counters(name: str, run: GuestRun) -> None:
    for nic in (group for group in run.stats if group.startswith("nic")):
        counters = run.stats[nic]
        if counters["transmitted"] == 0 or counters["received"] == 0:
            raise Failure(f"{name}: {nic}: {counters}")
        if errors := [one for one in counters if one.startswith("guest_error_")]:
            raise Failure(f"{name}: {nic}: {errors}: {counters}")


def two_guests(lab: Lab) -> None:
    folder = lab.folder("network")
    data = random_bytes("network", FILE_BYTES)
    (folder / "data").write_bytes(data)
    for program in ("tcpdump", "dnsmasq"):
        program_path(program)
    files = {"data": data, **with_libraries("iperf3"), **with_libraries("ethtool")}
    runs = lab.boot_together(folder, configuration(), modules="synthetic_net", files=files,
                             scripts={"a": COMMON + GUEST_A, "b": COMMON + GUEST_B}, host=HOST,
                             limit_s=60)
    for name, run in runs.items():
        run.expect_end(allowed=ALLOWED + ALLOWED_WITH_RSC)
        expect_counters(name, run)
    if "bytes from 10.2.0.1" not in (folder / "ping.4.log").read_text():
        raise Failure("the host's port of the internal switch did not reach a")
    if not any(lease.startswith("lease 10.3.0.") for lease in runs["a"].said("note")):
        raise Failure(f"a has no lease: {runs['a'].said('note')}")
    expect_frames(folder / "mirror.pcap", "10.1.0.1 > 10.1.0.2: ICMP echo request",
                  "10.1.0.2 > 10.1.0.1: ICMP echo reply", "vlan 5", "vlan 6")
    expect_frames(folder / "inside.pcap", "10.3.0.1.80", "Flags [S.]")


CASES = {"two guests: NetVSP, 21140, VLANs, mirror, host, DHCP and web outside": two_guests}
