"""What is tried: one change at a time to the recipe of the shipped checkpoint, several seeds each."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from models.learning.training import TrainingConfig


@dataclass(frozen=True)
class Job:
    """One training run. name: what its seeds share; wide, drawn: whether train_wide joins, and how many drawn sources.

    without: sources left out. sides, zoom: see BatchViews.
    """

    name: str
    config: TrainingConfig
    wide: bool = True
    drawn: int = 48
    without: tuple[str, ...] = ()
    sides: tuple[int, ...] = (176,)
    zoom: tuple[float, float] = (0.55, 1.0)
    facts: dict[str, Any] = field(default_factory=dict)

    def seeded(self, seed: int) -> "Job":
        """The same with another seed."""
        return replace(self, config=replace(self.config, seed=seed))

    def described(self) -> dict[str, Any]:
        """All settings, as JSON has them."""
        return asdict(self)


SHIPPED = TrainingConfig(
    method="ridge",
    backbone="efficientnet-lite0-imagenet",
    ways=8,
    fewest_ways=2,
    shots=3,
    queries=5,
    inside=0.5,
    view_side=176,
    updates=150,
    save_every=25,
    optimizer="adamw",
    learning_rate=6e-5,
    schedule="linear",
    weight_decay=1e-2,
    warm_up=10,
    options={"regularisation": 1.0, "scale": 10.0},
)
"""models/learning/configs/defects_ridge.toml at the rate and length of the issue's first runs."""


FAR = ("bean_leaf_rf", "cacao_disease", "deeppcb", "egg_shell", "guava_fruit", "grocery_produce")
"""Sources of train_wide that show no surface of a building, road or cloth."""


def _larger(**changes: Any) -> TrainingConfig:
    settings = {"episodes_per_update": 4, "updates": 240, "learning_rate": 1e-4, "save_every": 40}
    return replace(SHIPPED, **{**settings, **changes})


NARROW = Job("31 classes", SHIPPED, wide=False, drawn=0)
WIDE = Job("wide", SHIPPED, drawn=0)
LARGER = Job("larger", _larger(), drawn=24)
FIRST = [
    NARROW,
    WIDE,
    LARGER,
    replace(LARGER, name="larger, no drawn", drawn=0),
    replace(LARGER, name="larger, 31 classes", drawn=0, wide=False),
    replace(LARGER, name="larger, 31 classes and drawn", wide=False),
    replace(LARGER, name="larger, rate 5e-5", config=_larger(learning_rate=5e-5)),
    replace(LARGER, name="larger, zoom from 0.2", zoom=(0.2, 1.0)),
]
SECOND = [
    replace(WIDE, name="wide, zoom from 0.2", zoom=(0.2, 1.0)),
    replace(WIDE, name="wide, side 224", sides=(224,)),
    replace(WIDE, name="wide, near", without=FAR),
    replace(WIDE, name="wide, 300 updates", config=replace(SHIPPED, updates=300)),
    replace(LARGER, name="larger, near", without=FAR),
    replace(LARGER, name="larger, 1 to 7 shots", config=_larger(shots=7, fewest_shots=1)),
    replace(LARGER, name="larger, sides 176 and 224", sides=(176, 224)),
    replace(LARGER, name="larger, 120 updates", config=_larger(updates=120)),
]


SHORT = [
    replace(LARGER, name="larger, no drawn, 80 updates", drawn=0, config=_larger(updates=80)),
    replace(WIDE, name="wide, 300 updates", config=replace(SHIPPED, updates=300)),
    replace(LARGER, name="larger, 31 classes, 60 updates", drawn=0, wide=False, config=_larger(updates=60)),
    replace(
        LARGER, name="larger, no drawn, 120 updates at 5e-5", drawn=0, config=_larger(updates=120, learning_rate=5e-5)
    ),
    replace(
        LARGER, name="larger, no drawn, 40 updates at 2e-4", drawn=0, config=_larger(updates=40, learning_rate=2e-4)
    ),
]


def first_jobs() -> list[Job]:
    """In the order of their worth, should time run out."""
    return [
        job.seeded(seed)
        for jobs, seeds in ((FIRST, range(2)), (SECOND, range(2)), (FIRST, range(2, 5)), (SECOND, range(2, 3)))
        for seed in seeds
        for job in jobs
    ]


def short_jobs() -> list[Job]:
    """A second round, of what the first showed to be best."""
    return [job.seeded(seed) for seed in range(10, 18) for job in SHORT]


def tiny_jobs() -> list[Job]:
    """Two runs of two updates, to try the machinery."""
    config = replace(SHIPPED, updates=2, save_every=1, ways=3, shots=2, queries=2)
    return [
        Job("tiny", config, drawn=1, sides=(64,)),
        Job("tiny wide", replace(config, fewest_shots=1), drawn=0, sides=(64,)),
    ]
