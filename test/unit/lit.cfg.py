"""lit's configuration for the GoogleTest binaries: one lit test per case."""

import os

import lit.formats
import lit.util

config.name = "Lathe-Unit"
config.test_format = lit.formats.GoogleTest(".", "Test")
config.suffixes = []
config.test_source_root = config.lathe_unit_dir
config.test_exec_root = config.lathe_unit_dir
config.environment["HOME"] = config.lathe_unit_dir
config.environment["LATHE_CACHE"] = os.path.join(config.lathe_unit_dir, "cache")

# Seconds until a test that hangs is stopped; lit needs psutil for it.
if lit.util.killProcessAndChildrenIsSupported()[0]:
    lit_config.maxIndividualTestTime = 600
