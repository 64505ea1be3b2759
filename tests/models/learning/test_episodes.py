import numpy as np
import pytest

from models.learning.episodes import EpisodeSampler

LABELS = {name: list(range(10 * place, 10 * place + 10)) for place, name in enumerate("abcdef")}
SOURCES = dict(zip("abcdef", ["site1"] * 3 + ["site2"] * 3, strict=True))


def test_an_episode_has_the_asked_shape() -> None:
    episode = EpisodeSampler(LABELS, ways=4, shots=3, queries=2).draw(0)
    assert len(set(episode.classes)) == 4
    assert np.bincount(episode.support_labels).tolist() == [3] * 4
    assert np.bincount(episode.query_labels).tolist() == [2] * 4
    photos = [*episode.support, *episode.queries]
    assert len(set(photos)) == len(photos) == 20
    labels = [*episode.support_labels, *episode.query_labels]
    assert all(photo in LABELS[episode.classes[label]] for photo, label in zip(photos, labels, strict=True))


def test_unequal_shots_belong_to_the_labels_in_order() -> None:
    episode = EpisodeSampler(LABELS, ways=3, shots=[1, 5, 2], queries=4).draw(3)
    assert np.bincount(episode.support_labels).tolist() == [1, 5, 2]


def test_the_same_seed_and_number_give_the_same_episode() -> None:
    def drawn(seed: int, number: int) -> list[int]:
        return list(EpisodeSampler(LABELS, 3, 2, 2, seed=seed).draw(number).support)

    assert drawn(1, 7) == drawn(1, 7)
    assert drawn(1, 7) != drawn(1, 8)
    assert drawn(1, 7) != drawn(2, 7)


def test_photos_are_shuffled() -> None:
    sampler = EpisodeSampler(LABELS, ways=5, shots=2, queries=5)
    assert any((np.diff(sampler.draw(number).query_labels) < 0).any() for number in range(3))
    assert any((np.diff(sampler.draw(number).support_labels) < 0).any() for number in range(3))


def test_inside_one_source_or_across() -> None:
    inside = EpisodeSampler(LABELS, 2, 1, 1, sources=SOURCES)
    assert {frozenset(SOURCES[name] for name in inside.draw(i).classes) for i in range(30)} == {
        frozenset({"site1"}),
        frozenset({"site2"}),
    }
    across = EpisodeSampler(LABELS, 2, 1, 1)
    assert any(len({SOURCES[name] for name in across.draw(i).classes}) == 2 for i in range(30))


def test_a_class_with_too_few_photos_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Class 'crack' has 3 photos; an episode needs 6 \(4 support and 2 query"):
        EpisodeSampler({**LABELS, "crack": [1, 2, 3]}, ways=2, shots=[1, 4], queries=2)


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 7 classes: all sources has 6"):
        EpisodeSampler(LABELS, 7, 1, 1)
    with pytest.raises(ValueError, match="needs 4 classes: site1 has 3, site2 has 3"):
        EpisodeSampler(LABELS, 4, 1, 1, sources=SOURCES)
    with pytest.raises(ValueError, match="there are none"):
        EpisodeSampler({}, 2, 1, 1)


@pytest.mark.parametrize(("ways", "shots", "queries"), [(1, 1, 1), (3, [1, 2], 1), (3, 0, 1), (3, 1, 0)])
def test_impossible_shapes_are_refused(ways: int, shots: int | list[int], queries: int) -> None:
    with pytest.raises(ValueError, match=r"episode|shots"):
        EpisodeSampler(LABELS, ways, shots, queries)


def test_a_share_of_the_episodes_is_inside_one_source() -> None:
    def share(inside: float) -> float:
        sampler = EpisodeSampler(LABELS, 2, 1, 1, sources=SOURCES, inside=inside)
        drawn = [{SOURCES[name] for name in sampler.draw(number).classes} for number in range(400)]
        return sum(len(sources) == 1 for sources in drawn) / len(drawn)

    assert share(1.0) == 1
    # Across sources two of six classes are of one source by chance in 2 of 5 draws.
    assert 0.33 < share(0.0) < 0.47
    assert 0.62 < share(0.5) < 0.78


def test_a_small_source_gives_all_its_classes_where_that_is_allowed() -> None:
    sources = {**SOURCES, "f": "site3", "e": "site3"}
    sampler = EpisodeSampler(LABELS, 3, 1, 1, sources=sources, fewest_ways=2)
    drawn = {frozenset(sampler.draw(number).classes) for number in range(50)}
    assert drawn == {frozenset("abc"), frozenset("ef")}
    episode = next(each for each in map(sampler.draw, range(50)) if len(each.classes) == 2)
    assert sorted(episode.support_labels) == sorted(episode.query_labels) == [0, 1]
    with pytest.raises(ValueError, match="needs 4 classes"):
        EpisodeSampler(LABELS, 5, 1, 1, sources=sources, fewest_ways=4)


def test_each_class_of_an_episode_may_have_shots_of_its_own() -> None:
    sampler = EpisodeSampler(LABELS, 3, 5, 4, fewest_shots=1)
    shots = [np.bincount(sampler.draw(number).support_labels).tolist() for number in range(60)]
    assert {each for episode in shots for each in episode} == {1, 2, 3, 4, 5}
    assert any(len(set(episode)) > 1 for episode in shots)
    assert all((np.bincount(sampler.draw(number).query_labels) == 4).all() for number in range(10))


def test_fewest_shots_are_no_more_than_the_shots() -> None:
    with pytest.raises(ValueError, match="fewest_shots is at most the 2 shots of a class, not 3"):
        EpisodeSampler(LABELS, 3, 2, 4, fewest_shots=3)
