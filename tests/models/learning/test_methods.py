import pytest
import torch

from models.learning.learners import Learner
from models.learning.methods import METHODS, build_learner
from models.learning.training import TrainingConfig

OPTIONS: dict[str, dict[str, float]] = {
    "base_classifier": {"classes": 3},
    "lstm_meta_learner": {"inner_steps": 2, "inner_rate": 0.1},
    "maml": {"inner_rate": 0.4, "inner_steps": 1, "inner_steps_test": 2},
    "fomaml": {"inner_rate": 0.4, "inner_steps": 1, "inner_steps_test": 2},
    "reptile": {"inner_rate": 1e-3, "inner_steps": 2, "inner_batch": 4, "inner_steps_test": 3},
}


def small(method: str) -> TrainingConfig:
    options = {"channels": 8, **OPTIONS.get(method, {})}
    return TrainingConfig(method, 3, 2, 2, updates=1, learning_rate=0.1, options=options)


@pytest.fixture(params=METHODS)
def learner(request: pytest.FixtureRequest) -> Learner:
    return build_learner(small(request.param)).eval()


@torch.no_grad()
def test_an_inductive_learner_scores_a_query_alone_as_among_others(learner: Learner) -> None:
    torch.manual_seed(0)
    support, queries = learner.encode(torch.rand(6, 1, 28, 28)), learner.encode(torch.rand(4, 1, 28, 28))
    score = learner.adapt(support, torch.tensor([0, 1, 2, 0, 1, 2]))
    assert score(queries).shape == (4, 3)
    assert torch.allclose(score(queries)[:1], score(queries[:1]), atol=1e-5) == learner.inductive


def test_every_weight_gets_a_gradient_from_unequal_shots(learner: Learner) -> None:
    torch.manual_seed(0)
    images = torch.rand(9, 1, 28, 28)
    support, queries = learner.train().encode(images).split([5, 4])  # type: ignore[no-untyped-call]
    loss, scores = learner.episode_loss(support, torch.tensor([2, 0, 0, 1, 2]), queries, torch.tensor([0, 1, 2, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert scores.shape == (4, 3)
    assert all(parameter.grad is not None for parameter in learner.parameters())


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = (build_learner(small("mann")).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_unknown_methods_and_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"method is one of .*siamese.* not 'meta'"):
        build_learner(TrainingConfig("meta", 3, 2, 2, updates=1, learning_rate=0.1))
    with pytest.raises(ValueError, match=r"options of snail .*'depth'"):
        build_learner(TrainingConfig("snail", 3, 2, 2, updates=1, learning_rate=0.1, options={"depth": 3}))
