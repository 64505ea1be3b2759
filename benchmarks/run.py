"""All benchmarks, one after the other, each in a process of its own; options are handed on (`--quick`)."""

import subprocess
import sys

from benchmarks.report import SPEED

NAMES = (*SPEED, "calibration", "accuracy", "heads", "support", "heatmap")


def main() -> None:
    """Run them all; ends with 1 where one failed, after the others have run."""
    failed = []
    for name in NAMES:
        print(f"--- {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
