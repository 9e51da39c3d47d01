"""Memory that is free goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

HOLES = """
import psutil, sys
from image2model.allocator import PICTURE_BLOCK, return_freed_memory
if sys.argv[1] == "True":
    return_freed_memory(PICTURE_BLOCK)
del (first := [bytearray(4_000_000)])[:]  # from now on glibc itself keeps blocks of this size
before = psutil.Process().memory_info().rss
blocks = [(bytearray(1_000_000), bytes(5_000)) for _ in range(60)]
small = [small for _, small in blocks]
del blocks
print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.parametrize("configured", [True, False])
def test_large_blocks_leave_no_holes(configured: bool):
    """Sixty megabytes freed between small blocks return to the system; with glibc's defaults most of them do not."""
    held = int(subprocess.run([sys.executable, "-c", HOLES, str(configured)], capture_output=True, check=True).stdout)
    assert (held < 10_000_000) is configured
