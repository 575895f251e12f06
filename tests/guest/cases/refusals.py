"""What vmm-minimal refuses: by one clear line that names the file or the argument, with a non-zero
exit code, and with every file as it was.

These start no guest, but they run where guests run, since some look at /dev/kvm first.
"""

import hashlib
from pathlib import Path

from machine.images import VHDTOOL, make_disk, tool
from machine.lab import VMM, Failure, Lab


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())}


def expect_refusal(lab: Lab, folder: Path, arguments: list[str], *named: str) -> None:
    """Refused at once, by one line that holds each of `named`."""
    before = digests(folder)
    command = [str(VMM), "--memory", "256M", "--no-stdin", *arguments]
    outcome = lab.run(folder, command)
    said = [line for line in outcome.lines if line.strip()]
    told = f"{' '.join(arguments)}: exit code {outcome.code}, said {said}"
    if outcome.code == 0 or outcome.timed_out or outcome.code >= 126:
        raise Failure(f"not refused: {told}")
    if len(said) != 1 or not all(text in said[0] for text in named):
        raise Failure(f"not one line that names {named}: {told}")
    if digests(folder) != before:
        raise Failure(f"files were changed: {told}")


def kernel_arguments(lab: Lab) -> list[str]:
    assert lab.kernel is not None
    return ["--kernel", str(lab.kernel.image)]


def arguments_are_refused(lab: Lab) -> None:
    folder = lab.folder("arguments")
    (folder / "text").write_text("no kernel\n" * 1000)
    kernel = kernel_arguments(lab)
    expect_refusal(lab, folder, ["--kernel", "text"], "text")
    expect_refusal(lab, folder, ["--kernel", "missing"], "missing")
    expect_refusal(lab, folder, [*kernel, "--initrd", "missing"], "missing")
    expect_refusal(lab, folder, [*kernel, "--cpus", "0"], "cpus")
    expect_refusal(lab, folder, [*kernel, "--cpus", "99"], "cpus")
    expect_refusal(lab, folder, [*kernel, "--memory", "1"], "memory")
    expect_refusal(lab, folder, [*kernel, "--disk", "ide2:0=text"], "ide2:0")
    expect_refusal(lab, folder, [*kernel, "--disk", "ide0:0=missing.vhd"], "missing.vhd")
    expect_refusal(lab, folder, [*kernel, "--disk", "ide0:0=text", "--disk", "ide0:0=text"],
                   "ide0:0")


def damaged_images_are_refused(lab: Lab) -> None:
    folder = lab.folder("damaged")
    kernel = kernel_arguments(lab)
    whole = make_disk(folder, "whole", "dynamic").file.read_bytes()
    tool(VHDTOOL, "snapshot", folder / "whole.vhd", folder / "child.vhd")
    (folder / "short.vhd").write_bytes(whole[:4096])
    (folder / "no_footer.vhd").write_bytes(bytes(512) + whole[512:-512] + bytes(512))
    (folder / "checksum.vhd").write_bytes(whole[:512 + 40] + b"\xff" + whole[512 + 41:])
    for name in ("short.vhd", "no_footer.vhd", "checksum.vhd"):
        expect_refusal(lab, folder, [*kernel, "--disk", f"ide0:0={name},format=vhd"], name)
    (folder / "whole.vhd").rename(folder / "elsewhere.vhd")
    expect_refusal(lab, folder, [*kernel, "--disk", "ide0:0=child.vhd"], "child.vhd", "whole.vhd")
    (folder / "child.vhd").rename(folder / "whole.vhd")  # now its own parent
    expect_refusal(lab, folder, [*kernel, "--disk", "ide0:0=whole.vhd"], "whole.vhd")


def locked_images_are_refused(lab: Lab) -> None:
    folder = lab.folder("locked")
    kernel = kernel_arguments(lab)
    make_disk(folder, "disk", "dynamic")
    expect_refusal(lab, folder, [*kernel, "--disk", "ide0:0=disk.vhd", "--disk",
                                 "scsi0:0=disk.vhd"], "disk.vhd")


CASES = {
    "refuses bad arguments": arguments_are_refused,
    "refuses damaged images": damaged_images_are_refused,
    "refuses an image that is in use": locked_images_are_refused,
}
