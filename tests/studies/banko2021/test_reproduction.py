"""The reproduction measures what it says, on patterns drawn for nothing else, and shows it."""

import math
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from nescio.learn import LearnSettings
from nescio.studies.banko2021 import (
    FRACTIONS,
    Sizes,
    banko2021_prior,
    mixtures,
    patterns_by_phase,
    reproduce_banko2021,
    sigma_prior,
    trial_measurements,
)
from nescio.studies.banko2021.reproduction import _auroc as auroc
from nescio.studies.banko2021.reproduction import _peaks as peaks
from nescio.xrd import Prior

KEYS = [
    "knn_accuracy",
    "error_ratio",
    "auroc_novel",
    "auroc_mixture",
    "flagged_at_0.01",
    "flagged_at_0.05",
    "mixture_peak_fractions",
    "seconds_to_agent",
    "patterns_per_second",
    "peak_memory_mb",
]
PAIRS = ["Fm-3m + Im-3m", "Fm-3m + P6_3/mmc", "Im-3m + P6_3/mmc"]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory, tiny: LearnSettings) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("reproduction") / "figures"
    with pytest.MonkeyPatch.context() as patch:
        for module in ("nescio.view.report", "nescio.studies.banko2021.report"):
            patch.setattr(f"{module}.figure_png", lambda figure: b"png")
        figures = reproduce_banko2021(
            settings=tiny,
            sizes=Sizes(known=300, novel=60, mixed=60, per_fraction=4),
            folder=folder,
            progress=False,
        )
    return figures, folder


def test_the_figures_are_the_ones_that_are_promised(reproduced: tuple[dict[str, Any], Path]) -> None:
    figures, _ = reproduced
    assert list(figures) == KEYS
    for name in ("knn_accuracy", "auroc_novel", "auroc_mixture", "flagged_at_0.01", "flagged_at_0.05"):
        assert 0.0 <= figures[name] <= 1.0
    assert list(figures["mixture_peak_fractions"]) == PAIRS
    assert all(0.0 <= peak <= 1.0 for peak in figures["mixture_peak_fractions"].values())
    for name in ("error_ratio", "seconds_to_agent", "patterns_per_second", "peak_memory_mb"):
        assert math.isfinite(figures[name])
        assert figures[name] > 0.0


def test_every_figure_is_a_file_and_in_one_report_with_aims_and_published_numbers(
    reproduced: tuple[dict[str, Any], Path],
) -> None:
    figures, folder = reproduced
    names = {path.stem for path in folder.glob("*.png")}
    assert len(names) == 12
    assert {
        "latent_map",
        "strongest_peak",
        "decision_regions",
        "violins",
        "mixing_ratio",
        "reliability",
    } <= names
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<img ") == len(names)
    assert f"{figures['knn_accuracy']:.2%}" in text
    for told in ("99.16 %", "5.3", "≥ 0.998", "Banko"):
        assert told in text
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", text)


def test_the_hard_prior_has_twice_the_ranges() -> None:
    easy, hard = (banko2021_prior(hard=hard).settings for hard in (False, True))
    assert hard.lattice.strain.high == 2 * easy.lattice.strain.high == 0.02
    assert hard.lattice.axis_strain.high == 2 * easy.lattice.axis_strain.high
    assert hard.instrument.zero_shift.low == 2 * easy.instrument.zero_shift.low
    assert hard.noise.gaussian.high == 2 * easy.noise.gaussian.high
    assert 1 - hard.texture.march_coefficient.low > 1 - easy.texture.march_coefficient.low
    assert easy.broadening.crystallite_size_nm.low == 2 * hard.broadening.crystallite_size_nm.low
    assert 2 * easy.broadening.crystallite_size_nm.high == hard.broadening.crystallite_size_nm.high
    assert sigma_prior(hard=True).settings.lattice == hard.lattice
    assert sigma_prior().labels == ("P4_2/mnm",)


def test_auroc_is_the_chance_that_the_stranger_one_scores_higher() -> None:
    known = xr.Dataset({"novelty": ("measurement", [1.0, 2.0, 3.0, 4.0])})
    strange = xr.Dataset({"novelty": ("measurement", [2.5, 5.0])})
    assert auroc(known, strange) == pytest.approx((2 + 4) / 8)


def test_a_pair_s_peak_is_where_its_mean_error_is_largest() -> None:
    fraction = np.tile(np.repeat(FRACTIONS, 2), 2)
    pair = np.repeat(["a + b", "a + c"], 2 * FRACTIONS.size)
    error = -((fraction - np.where(pair == "a + b", 0.45, 0.7)) ** 2) + np.tile(
        [0.3, -0.3], fraction.size // 2
    )
    curves = xr.Dataset(
        {
            n: ("measurement", v)
            for n, v in (("fraction", fraction), ("pair", pair), ("reconstruction_error", error))
        }
    )
    assert peaks(curves) == pytest.approx({"a + b": 0.45, "a + c": 0.7})


@pytest.fixture(scope="module")
def known() -> Prior:
    return banko2021_prior()


def test_a_mixture_is_its_sides_weighted_by_the_fraction_of_the_first(known: Prior) -> None:
    drawn = patterns_by_phase(known, jax.random.key(5), 3, ideal=True)
    fraction = np.array([0.0, 0.25, 1.0])
    mixed = mixtures(known, (0, 2), [drawn[0], drawn[2]], fraction, jax.random.key(6))
    expected = fraction[:, None] * drawn[0] + (1 - fraction)[:, None] * drawn[2]
    # Noise of a standard deviation of at most 0.01 is added once, here and in what scales the pattern.
    np.testing.assert_allclose(mixed["intensity"], expected / expected.max(axis=1, keepdims=True), atol=0.08)
    assert set(mixed["pair"].values) == {"Fm-3m + P6_3/mmc"}


def test_patterns_by_phase_are_of_their_phase_and_as_many_as_asked(known: Prior) -> None:
    drawn = patterns_by_phase(known, jax.random.key(6), 200)
    assert [patterns.shape for patterns in drawn] == [(200, 2048)] * 3
    # The body-centred phase has 200 at 62.7 degree; the face-centred one nothing between 200 and 220.
    window = (known.axis.values > 61.5) & (known.axis.values < 64.5)
    reach = [float(np.median(patterns[:, window].max(axis=1))) for patterns in drawn]
    assert reach[1] > 3 * reach[0]


def test_trials_are_pure_mixed_or_unknown(known: Prior) -> None:
    trials = trial_measurements(known, sigma_prior(), jax.random.key(0), each=5, per_fraction=1)
    group, fraction, pair = (trials[name].values for name in ("group", "fraction", "pair"))
    assert [int(np.sum(group == kind)) for kind in ("pure", "mixed", "unknown")] == [3 * 5 + 3 * 2, 3 * 19, 5]
    assert set(fraction[group == "mixed"]) == set(FRACTIONS[1:-1])
    assert np.isnan(fraction[group == "unknown"]).all()
    assert set(pair[group == "mixed"]) == set(PAIRS)
    assert trials.indexes["measurement"].is_unique
