"""What exploring is to reach on the measured film and on the simulated one; minutes, so that `make slow` runs it."""

from pathlib import Path

import pytest

from nescio.studies.dkl import compare

pytestmark = pytest.mark.slow

SEEDS = 3


@pytest.fixture(scope="module")
def film(measured_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    methods = ["default", "forest", "random"]
    return compare(["film"], methods, data=measured_folder, seeds=SEEDS, cache=cache(tmp_path_factory))[
        "film"
    ]


@pytest.fixture(scope="module")
def ferroelectric(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    methods = ["default", "static", "gp"]
    return compare(["ferroelectric"], methods, seeds=SEEDS, cache=cache(tmp_path_factory))["ferroelectric"]


def cache(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("dkl")


def test_on_the_film_it_finds_more_than_half_of_the_best_twentieth_with_as_many_measurements(film) -> None:
    assert film["default"]["found_top5"] >= 0.55
    assert film["default"]["top20_ratio"] >= 0.98
    assert film["forest"]["found_top5"] < 0.3
    assert film["random"]["found_top5"] < 0.12


def test_its_intervals_on_the_film_hold_what_they_say(film) -> None:
    assert film["default"]["coverage95"] >= 0.9


def test_on_the_simulated_film_looking_at_the_image_pays(ferroelectric) -> None:
    assert ferroelectric["default"]["found_top5"] >= 0.6
    assert ferroelectric["default"]["found_top5"] > ferroelectric["gp"]["found_top5"] + 0.2
    assert ferroelectric["default"]["found_top5"] > ferroelectric["static"]["found_top5"] - 0.05
