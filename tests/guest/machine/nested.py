"""The nested machine: QEMU without KVM emulates a CPU with AMD-V, and a Debian kernel in it offers
a /dev/kvm that runs stock kernels. Used where the host's own KVM cannot.

The host's root folder is the machine's root folder (9p, read-only), so the programs of the build
run there from the same paths. The session's folder is writable at its own path; its sub-folder
`scratch` is an ext4 disk of the machine (O_DIRECT and file locks work there as on a real disk). A
run copies its folder to the scratch disk, runs there, and copies back. The other side: outer_init.
"""

import queue
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from . import initramfs
from .kernel import Kernel
from .paths import CACHE, Unavailable
from .place import TIMED_OUT, LineSink, Outcome, quoted

MODULES = ["virtio_pci", "9pnet_virtio", "9p", "virtio_blk", "crc32c_generic", "ext4", "kvm-amd"]
# Without XSAVE: QEMU's SVM does not intercept XSETBV, so KVM would report a wrong size of the XSAVE
# area (CPUID 0xD) to its guest, whose kernel warns of it.
CPU = "EPYC,+svm,+npt,-xsave"
MEMORY_MIB = 2048
SCRATCH_BYTES = 8 << 30
START_LIMIT_S = 120
COPY_LIMIT_S = 60
QEMU = "qemu-system-x86_64"


def outer_image(kernel: Kernel) -> Path:
    """The initial RAM file system; named by the kernel and rebuilt when outer_init is newer."""
    source = Path(__file__).with_name("outer_init")
    image = CACHE / f"outer-{kernel.version}.cpio"
    newest = max(path.stat().st_mtime for path in Path(__file__).parent.iterdir() if path.is_file())
    if not image.exists() or image.stat().st_mtime < newest:
        content = initramfs.build(kernel, source.read_bytes(), {"outer": MODULES}, {})
        partial = image.with_suffix(".partial")
        partial.write_bytes(content)
        partial.rename(image)
    return image


def make_scratch(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SCRATCH_BYTES)
    maker = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
    if maker is None:
        raise Unavailable("mkfs.ext4 is not here; install the Debian package e2fsprogs")
    subprocess.run([maker, "-q", "-F", "-O", "^has_journal", str(path)], check=True)


class NestedMachine:
    name = "nested"
    slowness = 4

    def __init__(self, kernel: Kernel, session: Path) -> None:
        if set(str(session)) & set(" ,\n"):
            raise Unavailable(f"{session}: the nested machine needs a path without space or comma")
        if shutil.which(QEMU) is None:
            raise Unavailable(f"{QEMU} is not here; install the Debian package qemu-system-x86")
        self.session = session
        self.answers: dict[str, queue.Queue[tuple[str, str]]] = {}
        self.ready = threading.Event()
        self.ended = False
        self.next_id = 0
        self.lock = threading.Lock()
        started = time.monotonic()
        (session / "scratch").mkdir(exist_ok=True)
        make_scratch(session / "scratch.img")
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = self._start(kernel, theirs.fileno())
        threading.Thread(target=self._read_answers, daemon=True).start()
        if not self.ready.wait(START_LIMIT_S) or self.ended:
            self.close()
            raise Unavailable(f"the nested machine did not start in {START_LIMIT_S} s; "
                              f"see {self.console} and nested-qemu.log beside it")
        self.start_seconds = time.monotonic() - started

    @property
    def console(self) -> Path:
        return self.session / "nested-console.log"

    def _start(self, kernel: Kernel, control: int) -> subprocess.Popen[bytes]:
        p9 = "security_model=none,multidevs=remap"
        command = [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2",
            "-m", str(MEMORY_MIB),
            "-kernel", str(kernel.image), "-initrd", str(outer_image(kernel)),
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable nokaslr "
                       f"viridian.session={self.session}",
            "-serial", f"file:{self.console}",
            "-chardev", f"socket,id=control,fd={control}",
            "-serial", "chardev:control",
            "-virtfs", f"local,path=/,mount_tag=host,readonly=on,{p9}",
            "-virtfs", f"local,path={self.session},mount_tag=session,{p9}",
            "-drive", "file=scratch.img,if=virtio,format=raw,cache=unsafe",
        ]
        log = (self.session / "nested-qemu.log").open("wb")
        with log:
            return subprocess.Popen(command, cwd=self.session, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, start_new_session=True, pass_fds=(control,))

    def _read_answers(self) -> None:
        with self.socket.makefile("r", errors="replace", newline="\n") as answers:
            for line in answers:
                word, _, rest = line.rstrip("\r\n").partition(" ")
                if word == "READY":
                    self.ready.set()
                identity, _, text = rest.partition(" ")
                if identity in self.answers:
                    self.answers[identity].put((word, text))
        self.ended = True
        self.ready.set()
        for waiting in list(self.answers.values()):
            waiting.put(("END", str(TIMED_OUT)))

    def run(self, folder: Path, command: list[str], limit_s: int,
            on_line: LineSink | None = None) -> Outcome:
        with self.lock:
            self.next_id += 1
            identity = f"run{self.next_id}"
        script = self.session / f"{identity}.sh"
        script.write_text(self._script(identity, folder, command, limit_s))
        answers = self.answers[identity] = queue.Queue()
        started = time.monotonic()
        self.socket.sendall(f"{identity} {limit_s + COPY_LIMIT_S} {script}\n".encode())
        outcome = Outcome(TIMED_OUT)
        while True:
            left_s = started + limit_s + COPY_LIMIT_S + 30 - time.monotonic()
            try:
                word, text = answers.get(timeout=max(left_s, 0.1))
            except queue.Empty:
                break
            if word == "LOG":
                outcome.lines.append(text)
                if on_line:
                    on_line(text)
            elif word == "END":
                outcome.code = int(text or TIMED_OUT)
                break
        outcome.seconds = time.monotonic() - started
        del self.answers[identity]
        return outcome

    def _script(self, identity: str, folder: Path, command: list[str], limit_s: int) -> str:
        work = quoted([f"{self.session}/scratch/{identity}"])
        home = quoted([str(folder)])
        return (f"export TMPDIR={work} LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
                f"cp -a --sparse=always {home} {work} && cd {work} || exit 125\n"
                f"timeout -k 2 {limit_s} {quoted(command)}\n"
                "code=$?\n"
                f"cp -a --update --sparse=always {work}/. {home}/ || exit 125\n"
                f"cd / && rm -rf {work}\n"
                "exit $code\n")

    def close(self) -> None:
        try:
            self.socket.sendall(b"quit\n")
            self.process.wait(timeout=15)
        except (OSError, subprocess.TimeoutExpired):
            pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.socket.close()
        (self.session / "scratch.img").unlink(missing_ok=True)
