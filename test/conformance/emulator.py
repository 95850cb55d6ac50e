"""A PC with AVX-512 in software: Bochs, which executes every instruction one by one, a kernel of
Debian's and a script to run.  What they need was unpacked by './dev test --avx512'.

The PC has two disks: one that it starts from and writes its results to, and one with the files of
the run.  Its serial port is the log.
"""

import fcntl
import lzma
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tarfile
import termios
import time

from support import Failed, cache_folder

# The processor of Bochs that has VNNI and BF16, without what the kernel would trip over: it takes
# half of AMX for usable, an interrupt for system management ends in a panic of Bochs when pages have
# five levels, and each TPAUSE makes Bochs sleep for a millisecond.
MODEL = 'model=sapphire_rapids, exclude_features="waitpkg,la57,amx,amx_int8,amx_bf16"'
PROCESSOR = f"{MODEL}, count=1, ips=20000000"
MEGABYTES = 1024
# In the order in which they depend on each other.
MODULES = ["scsi_common", "scsi_mod", "libata", "ata_piix", "sd_mod", "cdrom", "isofs"]
CYLINDER = 16 * 63 * 512
BOOT_BYTES, RESULT_BYTES = 1 << 20, 256 << 20

FINISHED = "emulator: finished"

GRUB = """\
serial --unit=0 --speed=115200
terminal_output serial
set root=(hd1)
linux /boot/kernel console=ttyS0 quiet panic=-1 no5lvl mitigations=off nokaslr random.trust_cpu=on
initrd /boot/initrd
boot
"""
INIT = """\
#!/bin/busybox sh
export PATH=/bin
busybox mount -t devtmpfs dev /dev
for module in /modules/*; do busybox insmod $module; done
while ! [ -b /dev/sda -a -b /dev/sdb ]; do busybox sleep 0.1; done
busybox mount -t iso9660 -o ro /dev/sdb /root
busybox mount -t tmpfs tmp /root/tmp
busybox mount -t devtmpfs dev /root/dev
busybox mount -t proc proc /root/proc
busybox mkdir /root/tmp/results
busybox chroot /root /bin/busybox sh /run
busybox tar -C /root/tmp/results -c -f - . | busybox dd of=/dev/sda bs=1M seek=1 2>/dev/null
busybox sync
echo "FINISHED"
busybox poweroff -f
""".replace("FINISHED", FINISHED)


def emulator_folder():
    return pathlib.Path(os.environ.get("LATHE_EMULATOR") or cache_folder() / "emulator")


def call(command, **arguments):
    """The standard output of a program that must succeed."""
    result = subprocess.run(command, capture_output=True, **arguments)
    if result.returncode != 0:
        told = result.stderr.decode(errors="replace").strip()
        raise Failed(f"{pathlib.Path(command[0]).name} ended with {result.returncode}: {told}")
    return result.stdout


def libraries_of(program):
    """The shared libraries of a program of this machine, its loader among them: name and path."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    found = re.findall(r"^\s*(\S+) => (/\S+)|^\s*(/\S+) \(", listed, re.MULTILINE)
    return {pathlib.Path(name or loader).name: path or loader for name, path, loader in found}


class Emulator:
    """The unpacked packages, and a folder for the images of one run."""

    def __init__(self, work):
        self.packages, self.work = emulator_folder(), pathlib.Path(work)
        self.libraries = self.packages / "usr/lib/x86_64-linux-gnu"
        self.serial = self.work / "serial.txt"

    @staticmethod
    def present():
        return (emulator_folder() / ".stamp").is_file()

    def run(self, script, files, seconds):
        """Starts the PC, which runs `script` in a busybox shell and ends.  `files` maps paths
        there to files here.  Gives the files that the script left in /tmp/results."""
        (self.work / "run").write_text(script)
        self._write_files_disk({**files, "/run": self.work / "run"})
        self._write_boot_disk()
        self._start(seconds)
        return self._results()

    def log(self):
        text = self.serial.read_text(errors="replace") if self.serial.exists() else ""
        return text.replace("\r", "")

    def _program(self, name):
        """Runs a program with the libraries that were unpacked with it."""
        loader = self.libraries / "ld-linux-x86-64.so.2"
        return [str(loader), "--library-path", str(self.libraries), str(self.packages / name)]

    def _busybox(self):
        return self.packages / "usr/bin/busybox"

    def _write_initrd(self):
        root = self.work / "initrd.d"
        for folder in ("bin", "dev", "modules", "root"):
            (root / folder).mkdir(parents=True)
        shutil.copyfile(self._busybox(), root / "bin/busybox")
        for place, name in enumerate(MODULES):
            packed = next((self.packages / "usr/lib/modules").rglob(name + ".ko.xz"))
            (root / f"modules/{place}.ko").write_bytes(lzma.decompress(packed.read_bytes()))
        (root / "init").write_text(INIT)
        for program in ("init", "bin/busybox"):
            (root / program).chmod(0o755)
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        command = [str(self._busybox()), "cpio", "-o", "-H", "newc"]
        (self.work / "initrd").write_bytes(call(command, cwd=root, input=names.encode()))

    def _write_files_disk(self, files):
        self._write_initrd()
        empty = self.work / "empty"
        empty.mkdir()
        kernel = next((self.packages / "boot").glob("vmlinuz-*"))
        own = {"/boot/kernel": kernel, "/boot/initrd": self.work / "initrd"}
        own |= {"/bin/busybox": self._busybox()}
        own |= {folder: empty for folder in ("/dev", "/proc", "/tmp")}
        grafts = [f"{place}={os.path.realpath(path)}" for place, path in (own | files).items()]
        image = self.work / "files.img"
        command = [*self._program("usr/bin/xorriso"), "-as", "mkisofs", "-quiet", "-r"]
        call([*command, "-o", str(image), "-graft-points", *grafts])
        self._pad(image)

    def _write_boot_disk(self):
        parts = self.packages / "usr/lib/grub/i386-pc"
        (self.work / "grub.cfg").write_text(GRUB)
        command = [*self._program("usr/bin/grub-mkimage"), "-d", str(parts), "-O", "i386-pc"]
        command += ["-p", "/", "-c", str(self.work / "grub.cfg"), "-o", str(self.work / "core")]
        call([*command, "biosdisk", "iso9660", "linux", "serial", "terminal"])
        # The first sector loads the rest from the sectors behind it.
        loader = (parts / "boot.img").read_bytes() + (self.work / "core").read_bytes()
        image = self.work / "boot.img"
        image.write_bytes(loader.ljust(BOOT_BYTES, b"\0"))
        os.truncate(image, BOOT_BYTES + RESULT_BYTES)
        self._pad(image)

    @staticmethod
    def _pad(image):
        os.truncate(image, -(-image.stat().st_size // CYLINDER) * CYLINDER)

    def _configuration(self):
        def disk(place, name):
            image = self.work / name
            cylinders = image.stat().st_size // CYLINDER
            shape = f"cylinders={cylinders}, heads=16, spt=63"
            return f"ata0-{place}: type=disk, mode=flat, path={image}, {shape}"

        share = self.packages / "usr/share"
        return "\n".join([
            "config_interface: textconfig",
            "display_library: term",
            f"romimage: file={share}/bochs/BIOS-bochs-latest",
            f"vgaromimage: file={share}/vgabios/vgabios.bin",
            f"megs: {MEGABYTES}",
            f"cpu: {PROCESSOR}",
            "clock: sync=none, time0=utc",
            "ata0: enabled=1",
            disk("master", "boot.img"),
            disk("slave", "files.img"),
            "boot: disk",
            f"com1: enabled=1, mode=file, dev={self.serial}",
            f"log: {self.work}/bochs.log",
            "panic: action=fatal",
            "error: action=report",
            "info: action=ignore",
            "debug: action=ignore",
            "speaker: enabled=0",
            "",
        ])  # fmt: skip

    def _start(self, seconds):
        (self.work / "bochsrc").write_text(self._configuration())
        command = [*self._program("usr/bin/bochs-bin"), "-q", "-f", str(self.work / "bochsrc")]
        environment = dict(os.environ, TERM="xterm", BXSHARE=str(self.packages / "usr/share/bochs"))
        environment["LTDL_LIBRARY_PATH"] = str(self.libraries / "bochs/plugins")
        # Its screen wants a terminal of a screen's size.
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment,
            cwd=self.work, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        try:
            screen = self._drain(master, process, time.monotonic() + seconds)
            ended = "ended early" if process.poll() is not None else f"took over {seconds:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(master)
        if FINISHED not in self.log():
            raise Failed(f"the emulated PC {ended}; its screen: {screen[-300:]!r}")

    def _drain(self, master, process, end):
        """Reads the screen until the PC is done; gives its last text."""
        screen = b""
        while process.poll() is None and time.monotonic() < end and FINISHED not in self.log():
            if select.select([master], [], [], 1)[0]:
                try:
                    screen = (screen + os.read(master, 1 << 16))[-4096:]
                except OSError:  # The other side was closed.
                    process.wait(10)
        return screen.decode(errors="replace")

    def _results(self):
        with open(self.work / "boot.img", "rb") as image:
            image.seek(BOOT_BYTES)
            with tarfile.open(fileobj=image, mode="r:") as archive:
                files = [member for member in archive if member.isfile()]
                return {os.path.basename(f.name): archive.extractfile(f).read() for f in files}
