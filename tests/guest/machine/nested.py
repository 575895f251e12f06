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
from .paths import Unavailable
from .place import TIMED_OUT, LineSink, Outcome, quoted

MODULES = ["virtio_pci", "9pnet_virtio", "9p", "virtio_blk", "crc32c_generic", "ext4", "kvm-amd",
           "tun", "veth", "bridge"]
# Without XSAVE: QEMU's SVM does not intercept XSETBV, so KVM would report a wrong size of the XSAVE
# area (CPUID 0xD) to its guest, whose kernel warns of it.
CPU = "EPYC,+svm,+npt,-xsave"
# One processor: with more, QEMU delivers some injected interrupts twice (docs/guest-tests.md).
CPUS = "1"
MEMORY_MIB = 2048
SCRATCH_BYTES = 8 << 30
START_LIMIT_S = 120
COPY_LIMIT_S = 60
# Who says nothing for so long stands still: ten times the longest silence of a run that goes on.
SILENCE_LIMIT_S = 150
# QEMU sometimes loses a timer of the machine's only processor, which then sleeps for good. An event
# from outside wakes both, so it gets one, an empty line, so often.
NUDGE_EVERY_S = 1
# A run that is about to use up its time says where each of its threads is: what the kernel does for
# it, and twice the time that it has used, so that one can see whether it moves.
STUCK_BEFORE_S = 20
SHOW_STUCK = """for task in /proc/$run/task/* /proc/$run/task/*; do
  echo "STUCK $(cat $task/comm): $(cut -d' ' -f3,14,15 $task/stat) $(cut -d' ' -f1,9 $task/syscall)"
  sed 's/^/STUCK   /' $task/stack
done
"""
QEMU = "qemu-system-x86_64"


def make_scratch(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SCRATCH_BYTES)
    maker = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
    if maker is None:
        raise Unavailable("mkfs.ext4 is not here; install the Debian package e2fsprogs")
    subprocess.run([maker, "-q", "-F", "-O", "^has_journal", str(path)], check=True)


class NestedMachine:
    name = "nested"
    slowness = 8

    def __init__(self, kernel: Kernel, session: Path) -> None:
        if set(str(session)) & set(" ,\n"):
            raise Unavailable(f"{session}: the nested machine needs a path without space or comma")
        if shutil.which(QEMU) is None:
            raise Unavailable(f"{QEMU} is not here; install the Debian package qemu-system-x86")
        self.kernel = kernel
        self.session = session
        self.starts = 0
        self.initrd = initramfs.cached("outer", kernel, Path(__file__).with_name("outer_init"),
                                       {"outer": MODULES}, {})
        (session / "scratch").mkdir(exist_ok=True)
        self._start()

    def _start(self) -> None:
        started = time.monotonic()
        self.starts += 1
        self.console = self.session / f"nested-console.{self.starts}.log"
        make_scratch(self.session / "scratch.img")
        self.answers: queue.Queue[tuple[str, str]] = queue.Queue()
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = self._start_qemu(theirs.fileno())
        threading.Thread(target=read_answers, args=(self.socket, self.answers),
                         daemon=True).start()
        word, _ = self._answer(started + START_LIMIT_S)
        if word != "READY":
            self._kill()
            raise Unavailable(f"the nested machine did not start within {START_LIMIT_S} s; "
                              f"see {self.console} and nested-qemu.log beside it")
        self.start_seconds = time.monotonic() - started

    def _start_qemu(self, control: int) -> subprocess.Popen[bytes]:
        p9 = "security_model=none,multidevs=remap"
        command = [
            "setpriv", "--pdeathsig", "KILL",  # QEMU must not outlive a runner that is killed
            QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", "tcg,thread=single", "-cpu", CPU, "-smp", CPUS, "-m", str(MEMORY_MIB),
            "-kernel", str(self.kernel.image), "-initrd", str(self.initrd),
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable nokaslr "
                       f"viridian.session={self.session}",
            "-serial", f"file:{self.console}",
            "-chardev", f"socket,id=control,fd={control}",
            "-serial", "chardev:control",
            "-virtfs", f"local,path=/,mount_tag=host,readonly=on,{p9}",
            "-virtfs", f"local,path={self.session},mount_tag=session,{p9}",
            "-drive", "file=scratch.img,if=virtio,format=raw,cache=unsafe",
        ]
        with (self.session / "nested-qemu.log").open("wb") as log:
            return subprocess.Popen(command, cwd=self.session, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, start_new_session=True, pass_fds=(control,))

    def _answer(self, deadline: float) -> tuple[str, str]:
        """The next line of the machine, or TIMEOUT, or GONE when there is no machine any more."""
        while True:
            left = deadline - time.monotonic()
            try:
                return self.answers.get(timeout=min(max(left, 0.01), NUDGE_EVERY_S))
            except queue.Empty:
                if left <= 0:
                    return "TIMEOUT", ""
            try:
                self.socket.send(b"\n", socket.MSG_DONTWAIT)
            except OSError:
                pass  # it has enough of them, or has ended

    def run(self, folder: Path, command: list[str], limit_s: int,
            on_line: LineSink | None = None) -> Outcome:
        if self.process.poll() is not None:
            self._start()
        script = self.session / "run.sh"
        script.write_text(self._script(folder, command, limit_s))
        started = time.monotonic()
        self.socket.sendall(f"{script}\n".encode())
        outcome = Outcome(TIMED_OUT)
        while True:
            last = time.monotonic() + SILENCE_LIMIT_S
            word, text = self._answer(min(started + limit_s + COPY_LIMIT_S, last))
            if word == "LOG":
                outcome.lines.append(text)
                if on_line:
                    on_line(text)
            elif word == "END":
                outcome.code = int(text)
                break
            elif word in ("TIMEOUT", "GONE"):
                outcome.lines += emulator_state(self.process.pid)
                self._kill()  # the next run starts another one
                break
        outcome.seconds = time.monotonic() - started
        return outcome

    def _script(self, folder: Path, command: list[str], limit_s: int) -> str:
        work = quoted([f"{self.session}/scratch/work"])
        home = quoted([str(folder)])
        # Without owners: root in there is whoever runs QEMU out here.
        copy = "cp -R --preserve=mode,timestamps --sparse=always"
        return (f"export TMPDIR={work} LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
                f"{copy} {home} {work} && cd {work} || exit 125\n"
                f"{quoted(command)} &\n"
                "run=$!\n"
                # The sleep outlives its shell: it must not hold the pipe that ends this run.
                f"{{ sleep {limit_s - STUCK_BEFORE_S} > /dev/null 2>&1\n{SHOW_STUCK}}} &\n"
                "watch=$!\n"
                "wait $run\n"
                "code=$?\n"
                "kill $watch\n"
                f"{copy} {work}/. {home}/ || exit 125\n"
                f"cd / && rm -rf {work}\n"
                "exit $code\n")

    def _kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.socket.close()
        (self.session / "scratch.img").unlink(missing_ok=True)

    def close(self) -> None:
        try:
            self.socket.sendall(b"quit\n")
            self.process.wait(timeout=15)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self._kill()


def emulator_state(pid: int) -> list[str]:
    """What QEMU's threads do, and how much time (in ticks) each uses within a second."""
    def ticks(task: Path) -> int:
        return sum(map(int, (task / "stat").read_text().rsplit(") ", 1)[1].split()[11:13]))

    try:
        tasks = sorted(Path(f"/proc/{pid}/task").iterdir())
        before = [ticks(task) for task in tasks]
        time.sleep(1)
        return [f"STUCK QEMU {(task / 'comm').read_text().strip()} {task.name}: "
                f"{ticks(task) - used} ticks, {(task / 'syscall').read_text().split()[0]}"
                for task, used in zip(tasks, before)]
    except OSError:
        return ["STUCK QEMU has ended"]


def read_answers(connection: socket.socket, answers: queue.Queue[tuple[str, str]]) -> None:
    try:
        with connection.makefile("r", errors="replace", newline="\n") as lines:
            for line in lines:
                word, _, text = line.rstrip("\r\n").partition(" ")
                if word:  # else the echo of a nudge, from before it was told not to
                    answers.put((word, text))
    except OSError:
        pass  # closed by _kill()
    answers.put(("GONE", ""))
