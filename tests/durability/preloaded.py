"""What every process of `tests.durability.killable` begins with: the program and the network, both in memory.

Loaded once, in the process that all of them are forked from: torch with one thread keeps no threads, which a fork would
lose (OpenVINO does), and a service starts in a fraction of a second instead of seven.
"""

import torch

from app.commands import backup, check, failures, main, serve
from models.backbones import load_backbone

torch.set_num_threads(1)

MAIN = main.main
COMMANDS = (backup, check, failures, serve)
BACKBONE = load_backbone(engine="torch", precision="f32", threads=1)
