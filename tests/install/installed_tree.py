#!/usr/bin/env python3
"""Installs the vhd component, and uses it as a stranger would: nothing of the source tree is seen.

usage: installed_tree.py BUILD-FOLDER CASE. Exits 77, and says why, where a tool is missing.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What a program may need at run time to use the library, by the names that the loader knows.
MAY_NEED = {"liburing.so.2", "libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1",
            "ld-linux-x86-64.so.2"}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, timeout=300, **options)


def output(*command, **options):
    return run(*command, stdout=subprocess.PIPE, **options).stdout


class Installed:
    """The component in a folder that it was moved to after it was installed."""

    def __init__(self, build, folder):
        self.folder, self.build = folder, build
        run("cmake", "--install", build, "--prefix", folder / "first", "--component", "vhd",
            stdout=subprocess.DEVNULL)
        self.prefix = folder / "moved"
        (folder / "first").rename(self.prefix)
        self.libraries = self.prefix / "lib"
        if not self.libraries.is_dir() or not list(self.libraries.glob("*.so")):
            self.libraries = next(self.prefix.rglob("libviridian-vhd.so")).parent
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(self.libraries),
                                PKG_CONFIG_PATH=str(self.libraries / "pkgconfig"))
        self.examples = next(self.prefix.rglob("examples"))

    def cmake_examples(self):
        out = self.folder / "cmake-examples"
        run("cmake", "-S", self.examples, "-B", out, "-G", "Ninja",
            f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_BUILD_TYPE=Release",
            stdout=subprocess.DEVNULL)
        run("cmake", "--build", out, stdout=subprocess.DEVNULL)
        return out

    def pkg_config_examples(self):
        out = self.folder / "pkg-config-examples"
        out.mkdir()
        flags = output("pkg-config", "--cflags", "--libs", "viridian-vhd", text=True,
                       env=self.environment).split()
        for name in ("import", "export", "two_queues"):
            run("cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1",
                self.examples / f"{name}.c", "-o", out / name.replace("_", "-"), *flags,
                "-pthread")
        return out

    def round_trip(self, programs):
        """A raw file into a VHD and back; returns the VHD and the raw file."""
        raw, vhd, back = (programs / name for name in ("disk.img", "disk.vhd", "back.img"))
        raw.write_bytes(os.urandom(3 << 20) + bytes(5 << 20) + os.urandom(1024))
        run(programs / "import", raw, vhd, env=self.environment)
        run(programs / "export", vhd, back, env=self.environment)
        assert back.read_bytes() == raw.read_bytes(), "the exported bytes differ"
        assert vhd.stat().st_blocks * 512 < 6 << 20, "zeroes were written"
        added = output(programs / "two-queues", vhd, env=self.environment, text=True)
        assert int(added) == sum(raw.read_bytes()), "two queues read something else"
        return vhd, raw


def cmake_package(installed):
    programs = installed.cmake_examples()
    vhd, raw = installed.round_trip(programs)
    assert output(programs / "disk-cat", vhd, env=installed.environment) == raw.read_bytes()


def pkg_config(installed):
    installed.round_trip(installed.pkg_config_examples())


def library_shows_and_needs_little(installed):
    library = installed.libraries / "libviridian-vhd.so"
    dynamic = output("readelf", "-d", library, text=True)
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    assert needed <= MAY_NEED, f"needs {needed - MAY_NEED}"
    assert "liburing.so.2" in needed and "[libviridian-vhd.so.0]" in dynamic
    shown = {line.split()[-1].split("@")[0]
             for line in output("nm", "-D", "--defined-only", library, text=True).splitlines()}
    header = (installed.prefix / "include/viridian/vhd.h").read_text()
    declared = set(re.findall(r"VIRIDIAN_VHD_API [^;(]*?\b(viridian_vhd_\w+)\(", header))
    functions = {name for name in shown if not name.startswith("VIRIDIAN_VHD_")}
    assert functions == declared, f"shown and declared differ by {functions ^ declared}"
    tool = output("readelf", "-d", installed.prefix / "bin/vhdtool", text=True)
    assert set(re.findall(r"NEEDED.*\[(.*)\]", tool)) <= MAY_NEED, tool


def nothing_names_the_source_tree(installed):
    source = str(pathlib.Path(__file__).resolve().parents[2])
    for path in installed.prefix.rglob("*"):
        if path.suffix in {".cmake", ".pc", ".h", ".txt"}:
            text = path.read_text()
            assert source not in text and str(installed.folder) not in text, f"{path}: names a path"
    for name in ("man/man1/vhdtool.1", "bash-completion/completions/vhdtool",
                 "zsh/site-functions/_vhdtool"):
        assert (installed.prefix / "share" / name).stat().st_size > 1000, name
    assert b"vhdtool" in output(installed.prefix / "bin/vhdtool", "--version")


CASES = {case.__name__: case for case in (cmake_package, pkg_config, library_shows_and_needs_little,
                                          nothing_names_the_source_tree)}


def main():
    build, case = pathlib.Path(sys.argv[1]).resolve(), CASES[sys.argv[2]]
    for tool in ("cmake", "ninja", "pkg-config", "cc", "readelf", "nm"):
        if shutil.which(tool) is None:
            print(f"skipped: no {tool}")
            return 77
    with tempfile.TemporaryDirectory(prefix="viridian-install-") as folder:
        case(Installed(build, pathlib.Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
