"""What a backbone can be asked for, in words; imports nothing, so that settings can be read quickly."""

from typing import Literal

DEFAULT = "efficientnet-lite0-haja-2"
TIMM_PREFIX = "timm/"

EngineName = Literal["auto", "torch", "openvino"]
Precision = Literal["auto", "f32", "bf16"]
Views = Literal["quick", "accurate"]
"""`quick`: the whole photo. `accurate`: the whole photo, its mirror image and four overlapping crops of it."""

VIEWED = "+views"
"""What the name of a backbone with `views` "accurate" ends with."""
