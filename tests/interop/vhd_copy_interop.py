#!/usr/bin/env python3
"""vhdtool's pipes, sizes, writers' marks, Azure images, dd, serve and mount, with other programs.

Usage: vhd_copy_interop.py BIN_FOLDER CASE, one of the functions case_* below. Exits 77, saying what
is missing, without a program or a device that it needs.
"""
import json
import os
import pathlib
import random
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

MIB = 1 << 20
SKIP = 77
SIZE = 41 * MIB - 512  # no whole MiB, no product of a geometry
COMPATS = ["any", "hyperv", "vpc2007", "xen", "qemu9"]


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            print(f"missing: {program}")
            sys.exit(SKIP)


def run(*command, status=0, stdin=None):
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, timeout=120,
                          check=False)
    if done.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}, not {status}\n"
                 f"{done.stdout[:2000].decode(errors='replace')}"
                 f"{done.stderr.decode(errors='replace')}")
    return done.stdout


def expect(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


class Work:
    def __init__(self, bin_folder, folder):
        self.tool = bin_folder / "vhdtool"
        self.folder = folder
        self.raw = folder / "disk.img"
        chance = random.Random(3)
        with open(self.raw, "wb") as file:
            file.truncate(SIZE)
            for offset, length in ((0, 512), (3 * MIB - 512, 4096), (9 * MIB, 3 * MIB)):
                file.seek(offset)
                file.write(chance.randbytes(length))
            file.seek(SIZE - 512)
            file.write(b"\x5a" * 512)
        self.bytes = self.raw.read_bytes()

    def path(self, name):
        return self.folder / name

    def vhdtool(self, *arguments, **how):
        return run(self.tool, *arguments, **how)

    def json(self, *arguments, **how):
        return json.loads(self.vhdtool(*arguments, "--json", **how))

    def failure(self, *arguments, status=1, **environment):
        """The line that a command says."""
        done = subprocess.run([self.tool, *map(str, arguments)], capture_output=True, timeout=120,
                              env=os.environ | environment, check=False)
        said = done.stderr.decode()
        expect(done.returncode == status and said.count("\n") == 1, f"{arguments}: {said}")
        return said

    def disk_of(self, path):
        return self.vhdtool("convert", "--to", "raw", path, "-")


def case_pipes_carry_whole_disks(work):
    dynamic, fixed = work.path("dynamic.vhd"), work.path("fixed.vhd")
    work.vhdtool("convert", "--size", SIZE, "-", dynamic, stdin=work.bytes)
    work.vhdtool("convert", "--to", "fixed", "-", fixed, stdin=work.bytes)  # the size is learned
    for path in (dynamic, fixed):
        work.vhdtool("check", path)
        expect(work.disk_of(path) == work.bytes, f"{path} holds the disk")
    piped = work.vhdtool("convert", "--to", "fixed", dynamic, "-")
    expect(piped[:-512] == work.bytes and piped[-512:-504] == b"conectix", "fixed goes out whole")


def case_pipes_of_a_wrong_size_leave_nothing(work):
    before = set(os.listdir(work.folder))
    for options in (["--size", SIZE - MIB], ["--size", SIZE + MIB], ["--size", SIZE + 512], []):
        work.vhdtool("convert", *options, "-", work.path("x.vhd"), stdin=work.bytes, status=1)
    work.vhdtool("convert", "--to", "raw", "-", work.path("x"), stdin=b"part of a sector", status=1)
    work.vhdtool("convert", work.raw, "-", status=1)
    expect(set(os.listdir(work.folder)) == before, "nothing is left behind")


def case_measure_is_exact(work):
    for compat in COMPATS:
        options = ["--compat", compat]
        path = work.path(f"{compat}.vhd")
        measured = work.json("measure", *options, work.raw)
        work.vhdtool("convert", *options, work.raw, path)
        expect(measured["required_bytes"] == path.stat().st_size, f"{compat}: {measured}")
    for block_size in ("4K", "64K", "8M"):
        path = work.path(f"{block_size}.vhd")
        measured = work.json("measure", "--block-size", block_size, work.raw)
        work.vhdtool("convert", "--block-size", block_size, work.raw, path)
        expect(measured["required_bytes"] == path.stat().st_size, f"{block_size}: {measured}")
    full = work.path("full.img")
    full.write_bytes(b"\x01" * SIZE)
    measured = work.json("measure", full)
    expect(measured["required_bytes"] == measured["fully_allocated_bytes"], f"full: {measured}")
    for kind, more in (("raw", 0), ("fixed", 512)):
        expect(work.json("measure", "--to", kind, work.raw)["required_bytes"] == SIZE + more, kind)
    empty = work.json("measure", "--size", "2040G")
    work.vhdtool("create", work.path("empty.vhd"), "2040G")
    expect(empty["required_bytes"] == work.path("empty.vhd").stat().st_size, "an empty disk")


def case_every_compat_is_read_at_its_size(work):
    need("qemu-img")
    for compat in COMPATS + ["azure"]:
        for kind in ("fixed",) if compat == "azure" else ("fixed", "dynamic"):
            path = work.path(f"{compat}-{kind}.vhd")
            made = work.json("convert", "--compat", compat, "--to", kind, work.raw, path)
            work.vhdtool("check", path)
            seen = json.loads(run("qemu-img", "info", "-f", "vpc", "--output=json", path))
            expect(seen["virtual-size"] == made["size_bytes"], f"{path}: {seen} {made}")
            exact = compat not in ("vpc2007", "azure")
            expect(made["size_bytes"] == SIZE if exact else made["size_bytes"] > SIZE, f"{made}")
            run("qemu-img", "compare", "-f", "vpc", "-F", "raw", path, work.raw)
            expect(work.disk_of(path).rstrip(b"\0") == work.bytes.rstrip(b"\0"), f"{path}: content")


def case_azure_images_keep_the_rules(work):
    made = work.path("azure.vhd")
    work.vhdtool("azure", "make", work.raw, made)
    expect(work.json("azure", "validate", made)["valid"], "what make makes is valid")
    streamed = work.path("streamed.vhd")
    streamed.write_bytes(work.vhdtool("azure", "stream", work.raw))
    expect(work.json("azure", "validate", streamed)["valid"], "what stream streams is valid")
    expect(made.stat().st_size % MIB == 512, "whole MiB and a footer")
    broken = {"dynamic": ["convert", work.raw], "odd": ["convert", "--to", "fixed", work.raw]}
    rules = {}
    for name, command in broken.items():
        path = work.path(f"{name}.vhd")
        work.vhdtool(*command, path)
        report = work.json("azure", "validate", path, status=1)
        rules[name] = {one["rule"] for one in report["broken_rules"]}
    expect(rules == {"dynamic": {"type", "size"}, "odd": {"size"}}, f"{rules}")
    raw = work.json("azure", "validate", work.raw, status=1)
    expect([one["rule"] for one in raw["broken_rules"]] == ["footer"], f"{raw}")


def case_footer_is_added_and_cut_off_in_place(work):
    disk, image = work.path("in-place.img"), work.path("in-place.vhd")
    shutil.copy(work.raw, disk)
    inode = disk.stat().st_ino
    work.vhdtool("convert", "--in-place", disk, image, status=1)  # dynamic is not made in place
    work.vhdtool("convert", "--in-place", "--to", "fixed", disk, image)
    expect(not disk.exists() and image.stat().st_ino == inode, "the same file, under its new name")
    work.vhdtool("check", image)
    expect(work.disk_of(image) == work.bytes, "the disk is as it was")
    shutil.copy(image, disk)  # a run that was cut off before it gave the new name goes on
    work.vhdtool("convert", "--in-place", "--to", "fixed", "--force", disk, image)
    expect(image.stat().st_size == SIZE + 512, "one footer")
    work.vhdtool("convert", "--in-place", "--to", "raw", image, disk)
    expect(disk.read_bytes() == work.bytes and not image.exists(), "raw again")
    work.vhdtool("azure", "make", "--in-place", disk, image)
    expect(work.json("azure", "validate", image)["valid"], "rounded up in place")


SHARING = """
set -e
mount -o loop "$1" "$2" || exit 77
used() {{ sync -f "$2"; df --output=used -k "$2" | tail -n 1; }}
cp "$3" "$2/a.raw"
used "$@"
{tool} convert --to fixed "$2/a.raw" "$2/b.vhd" > /dev/null
{tool} convert --to raw "$2/b.vhd" "$2/c.raw" > /dev/null
used "$@"
cmp "$3" "$2/c.raw"
{tool} check "$2/b.vhd" > /dev/null
cp --reflink=never "$2/b.vhd" "$2/d.vhd"
used "$@"
"""


def shares_bytes_on(work, kind):
    """Raw to fixed and back, each time beside the source, takes no space on such a file system."""
    need(f"mkfs.{kind}", "unshare")
    if os.geteuid() != 0 or f"\t{kind}\n" not in pathlib.Path("/proc/filesystems").read_text():
        print(f"missing: root, or {kind} in this kernel")
        sys.exit(SKIP)
    disk, folder, full = work.path("disk"), work.path("mounted"), work.path("full.img")
    full.write_bytes(random.Random(4).randbytes(SIZE))
    with open(disk, "wb") as file:
        file.truncate(512 * MIB)
    run(f"mkfs.{kind}", "-q", disk)
    folder.mkdir()
    done = subprocess.run(["unshare", "--mount", "sh", "-c", SHARING.format(tool=work.tool), "sh",
                           disk, folder, full], capture_output=True, text=True, timeout=120)
    if done.returncode == SKIP:
        print(f"missing: a loop device to mount {kind} from: {done.stderr}")
        sys.exit(SKIP)
    expect(done.returncode == 0, done.stdout + done.stderr)
    before, shared, copied = map(int, done.stdout.split())
    print(f"{before} KiB, {shared - before} more for two converted disks, "
          f"{copied - shared} for a copy")
    expect(shared - before < 2048, "the converted disks have the source's bytes")
    expect(copied - shared > SIZE // 1024 // 2, "a copy has its own")


def case_raw_and_fixed_share_bytes_on_btrfs(work):
    shares_bytes_on(work, "btrfs")


def case_raw_and_fixed_share_bytes_on_xfs(work):
    shares_bytes_on(work, "xfs")


def case_dd_reads_and_writes_ranges(work):
    image = work.path("dd.vhd")
    work.vhdtool("convert", work.raw, image)
    part = work.vhdtool("dd", "read", image, "--offset", 9 * MIB - 512, "--length", "2M")
    expect(part == work.bytes[9 * MIB - 512:11 * MIB - 512], "a range is read")
    data = random.Random(4).randbytes(3 * MIB)
    work.vhdtool("dd", "write", image, "--offset", "20M", stdin=data)
    wanted = work.bytes[:20 * MIB] + data + work.bytes[23 * MIB:]
    expect(work.disk_of(image) == wanted, "a range is written, and nothing else")
    work.vhdtool("check", image)
    for wrong in (["--offset", 100], ["--offset", SIZE, "--length", 512], ["--length", "1T"]):
        work.vhdtool("dd", "read", image, *wrong, status=1)
    out = work.path("out.bin")
    work.vhdtool("dd", "read", image, out, "--length", 512)
    expect(out.read_bytes() == work.bytes[:512], "into a file")
    work.vhdtool("dd", "read", image, out, "--length", 512, status=1)


def case_a_parent_is_written_only_when_that_is_asked(work):
    need("nbdkit", "qemu-io")
    parent, data = work.path("parent.vhd"), b"\x31" * 512
    work.vhdtool("convert", "--to", "fixed", work.raw, parent)
    work.vhdtool("snapshot", parent, work.path("child.vhd"))
    before = parent.read_bytes()
    (folder := work.path("mnt")).mkdir()
    said = [work.failure("serve", "--socket", work.path("s"), parent),
            work.failure("mount", parent, folder),
            work.failure("dd", "write", parent, work.path("child.vhd")),
            work.failure("convert", "--in-place", "--to", "raw", parent, work.path("x"))]
    for line in said:
        expect("child.vhd" in line and "--write-parent" in line, line)
    expect(parent.read_bytes() == before, "nothing was written")
    work.vhdtool("dd", "write", "--write-parent", parent, stdin=data)
    expect(work.vhdtool("dd", "read", parent, "--length", 512) == data, "dd writes")
    with Served(work, "--read-only", "--socket", work.path("r"), parent):
        pass  # reading needs no leave
    with Served(work, "--write-parent", "--socket", work.path("s"), parent) as uri:
        run("qemu-io", "-f", "raw", "-c", "write -P 0x32 0 512", "-c", "flush", uri)
    work.vhdtool("convert", "--write-parent", "--in-place", "--to", "raw", parent, work.path("x"))
    expect(work.path("x").read_bytes()[:512] == b"\x32" * 512, "a server and convert do, too")


class Served:
    """A server that is stopped when the case ends."""

    def __init__(self, work, *arguments):
        self.process = subprocess.Popen([work.tool, "serve", *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.uri = self.process.stdout.readline().decode().strip()
        path = pathlib.Path(self.uri.partition("socket=")[2])
        while not path.exists():  # nbdkit makes it when it is ready, or ends
            expect(self.process.poll() is None, "the server runs")

    def __enter__(self):
        return self.uri

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)


def case_clients_read_and_write_a_served_disk(work):
    need("nbdkit", "nbdinfo", "nbdcopy", "qemu-img", "qemu-io")
    image = work.path("served.vhd")
    work.vhdtool("convert", work.raw, image)
    with Served(work, "--read-only", "--socket", work.path("s"), image) as uri:
        info = json.loads(run("nbdinfo", "--json", uri))["exports"][0]
        expect(info["export-size"] == SIZE and info["is_read_only"], f"{info}")
        run("nbdcopy", uri, work.path("copied.img"))
        expect(work.path("copied.img").read_bytes() == work.bytes, "nbdcopy reads the disk")
        holes = [one for one in json.loads(run("nbdinfo", "--map", "--json", uri))
                 if one["type"] == 3]
        expect(sum(one["length"] for one in holes) > SIZE // 2, f"holes are told: {holes}")
        work.vhdtool("dd", "write", image, "--length", 512, stdin=b"x" * 512, status=3)  # in use
    with Served(work, "--socket", work.path("w"), image) as uri:
        info = json.loads(run("nbdinfo", "--json", uri))["exports"][0]
        for ability in ("can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero"):
            expect(info[ability], f"{ability}: {info}")
        changed = bytearray(work.bytes)
        changed[MIB:2 * MIB] = b"\x77" * MIB
        changed[30 * MIB:31 * MIB] = b"\x88" * MIB  # in a block that was not there
        changed[9 * MIB:10 * MIB] = bytes(MIB)
        run("qemu-io", "-f", "raw", "-c", "write -P 0x77 1M 1M", "-c", "write -f -P 0x88 30M 1M",
            "-c", "write -z 9M 1M", "-c", "discard 12M 1M", "-c", "flush", uri)
        run("nbdcopy", uri, work.path("copied.img"))
        got = work.path("copied.img").read_bytes()
        expect(got[:11 * MIB] == changed[:11 * MIB] and got[13 * MIB:] == changed[13 * MIB:],
               "what clients wrote is read")
        work.path("new.img").write_bytes(changed)
        run("nbdcopy", work.path("new.img"), uri)
    work.vhdtool("check", image)
    expect(work.disk_of(image) == bytes(changed), "and is in the image")


class HangsUp(threading.Thread):
    """Between a client and a server until this many bytes went to the client; then it hangs up.
    Takes one connection, and leaves others waiting, as qemu-nbd does."""

    def __init__(self, path, server, after):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.server, self.left = str(server), after
        self.start()

    def run(self):
        client, _ = self.listener.accept()
        with self.listener, client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server)
            while self.left > 0:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    (server if ready is client else client).sendall(data)
                    self.left -= len(data) if ready is server else 0


def case_other_formats_are_read(work):
    need("qemu-img", "qemu-nbd")
    for format_ in ("qcow2", "vmdk", "vhdx", "vdi"):
        foreign, image = work.path(f"disk.{format_}"), work.path(f"{format_}.vhd")
        run("qemu-img", "convert", "-f", "raw", "-O", format_, work.raw, foreign)
        work.vhdtool("convert", foreign, image)
        work.vhdtool("check", image)
        got = work.disk_of(image)
        expect(got[:SIZE] == work.bytes and not got[SIZE:].strip(b"\0"), f"{format_} is read")
        run("qemu-img", "compare", "-f", format_, "-F", "vpc", foreign, image)
    child, outside = work.path("child.qcow2"), work.path("outside.qcow2")
    run("qemu-img", "create", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", child)
    work.vhdtool("convert", "--to", "raw", child, work.path("through-child"))
    expect(work.path("through-child").read_bytes() == work.bytes, "backing files are read")
    (folder := work.path("folder")).mkdir()
    make = ("qemu-img", "create", "-f", "qcow2")
    run(*make, "-b", work.raw, "-F", "raw", folder / "out.qcow2")
    run(*make, "-b", "out.qcow2", "-F", "qcow2", folder / "deep.qcow2")
    for name in ("out.qcow2", "deep.qcow2"):
        said = work.failure("convert", folder / name, outside.with_suffix(".vhd"))
        expect("not in its folder" in said and "--allow-parent" in said, said)
    work.vhdtool("convert", "--allow-parent", "--to", "raw", folder / "deep.qcow2", outside)
    expect(outside.read_bytes() == work.bytes, "it is read if that is asked")
    renamed = work.path("disk.of.another.name")
    work.path("disk.qcow2").rename(renamed)
    measured = work.json("measure", "--from", "qcow2", renamed)
    expect(measured["required_bytes"] == work.path("qcow2.vhd").stat().st_size, "measured too")
    work.vhdtool("convert", "--from", "qcow2", "--to", "raw", renamed, work.path("x"))
    expect(work.path("x").read_bytes() == work.bytes, "--from names the format")
    # By its name it is a raw disk, and that is said.
    said = work.failure("convert", "--to", "raw", renamed, work.path("as-raw"), status=0)
    expect("--from qcow2" in said, said)
    expect(work.path("as-raw").read_bytes() == renamed.read_bytes(), "nothing is guessed")


def case_sources_that_fail_are_named(work):
    need("qemu-img", "qemu-nbd")
    before = set(os.listdir(work.folder))
    new = work.path("new.vhd")
    work.path("wrong.qcow2").write_bytes(bytes(MIB))
    said = work.failure("convert", work.path("wrong.qcow2"), new)
    expect("wrong.qcow2" in said and "not in qcow2 format" in said, said)
    expect("Unknown driver 'none'" in work.failure("convert", "--from", "none", work.raw, new), "")
    expect("qemu-utils" in work.failure("convert", work.path("wrong.qcow2"), new, PATH="/none"), "")
    expect("neither" in work.failure("convert", "--from", "qcow2", "/dev/null", new), "no device")
    for source in (work.path("missing.qcow2"), "nbd+unix:///?socket=/none", "nbd://127.0.0.1:1/"):
        expect(str(source) in work.failure("convert", source, new), f"{source}")
    work.failure("convert", "--from", "raw", "nbd://127.0.0.1:1/", new)
    work.path("wrong.qcow2").unlink()
    expect(set(os.listdir(work.folder)) == before, "nothing is left behind")


def case_servers_are_read(work):
    need("qemu-nbd", "nbdkit")
    image, new = work.path("disk.vhd"), work.path("new.vhd")
    work.vhdtool("convert", work.raw, image)
    with Served(work, "--read-only", "--socket", work.path("s"), image) as uri:
        expect(work.disk_of(uri) == work.bytes, "a server's disk is read")
        expect(work.json("measure", uri)["required_bytes"] == image.stat().st_size, "its holes too")
        for after in (0, 100, 2 * MIB):  # before and during the greeting, and in the data
            path = work.path(f"hangs-up-after-{after}")
            HangsUp(path, work.path("s"), after)
            said = work.failure("convert", f"nbd+unix:///?socket={path}", new)
            expect(str(path) in said and not new.exists(), said)
        expect("hung up" in said, said)


def case_mounted_disk_is_a_file(work):
    need("nbdkit", "nbdfuse", "fusermount3")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("missing: /dev/fuse")
        sys.exit(SKIP)
    image, folder = work.path("mounted.vhd"), work.path("mnt")
    work.vhdtool("convert", work.raw, image)
    folder.mkdir()
    mount = subprocess.Popen([work.tool, "mount", image, folder], stderr=subprocess.PIPE)
    disk = folder / "disk.img"
    try:
        while not disk.exists():
            if mount.poll() is not None:
                print(f"missing: a host that lets nbdfuse mount: {mount.stderr.read()[:200]}")
                sys.exit(SKIP)
        expect(disk.read_bytes() == work.bytes, "the file is the disk")
        with open(disk, "r+b") as file:
            file.seek(4 * MIB)
            file.write(b"\x99" * 4096)
    finally:
        subprocess.run(["fusermount3", "-u", folder], check=False)
        mount.wait(timeout=60)
    expect(work.disk_of(image)[4 * MIB:4 * MIB + 4096] == b"\x99" * 4096, "a write arrives")


def main():
    bin_folder, case = pathlib.Path(sys.argv[1]).resolve(), globals()["case_" + sys.argv[2]]
    with tempfile.TemporaryDirectory(prefix="viridian-interop-") as folder:
        case(Work(bin_folder, pathlib.Path(folder)))


if __name__ == "__main__":
    main()
