"""The neural side: backbones, prototypes, learners. Knows no HTTP and no database."""

import sys

# OpenVINO would tell its makers of every network that it converts, each time from forks of this process, and keep an id
# for that in the home folder. It does without where it cannot load this package.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
