"""check_manual.py LATHE PAGE: prints the flags of --help that the man page lacks, and what groff, where
it is installed, finds wrong."""

import re
import shutil
import subprocess
import sys

lathe, page = sys.argv[1:]


def told(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


text = open(page).read().replace("\\-", "-")
commands = re.findall(r"^  ([a-z]+)  ", told(lathe, "--help").split("examples:")[0], re.MULTILINE)
flags = [
    (command, flag)
    for command in commands
    for flag in re.findall(r"^  (--?[a-z-]+)", told(lathe, command, "--help"), re.MULTILINE)
]
missing = [(c, f) for c, f in flags if f not in text.split(f'.SS "lathe {c}')[1].split(".SS")[0]]
print(f"{len(missing)} missing of {len(flags)}", *missing)
if shutil.which("groff"):
    checked = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True
    )
    if checked.stderr or checked.returncode:
        sys.exit(checked.stderr)
