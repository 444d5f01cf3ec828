"""Every argument of `onlyif.explain` is made plain or refused where it enters."""

import subprocess
import sys
from pathlib import Path


def test_only_own_errors_come_out_of_the_door():
    # The suite checks types at every call; users have no such guard, so this runs without it.
    script = Path(__file__).with_name("door_arguments.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]
