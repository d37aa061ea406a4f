"""Objects show what they are, not every number they hold."""

from dataclasses import dataclass

import numpy as np

from nescio.display import Summarised
from nescio.xas import Spectrum


@dataclass(frozen=True, eq=False, repr=False)
class Thing(Summarised):
    name: str
    values: np.ndarray
    rest: tuple[str, ...] = ()


def test_arrays_are_shown_by_shape_and_range() -> None:
    thing = Thing("a<b", np.arange(6.0).reshape(2, 3))
    assert repr(thing) == "Thing(name='a<b', values=<2 x 3: 0 to 5>)"
    html = thing._repr_html_()
    assert "a&lt;b" in html
    assert "&lt;2 x 3: 0 to 5&gt;" in html
    assert "rest" not in html


def test_other_arrays_and_empty_ones_are_shown_by_kind() -> None:
    assert "values=<0 float64>" in repr(Thing("a", np.zeros(0)))
    assert "values=<2 bool>" in repr(Thing("a", np.array([True, False])))


def test_a_spectrum_fits_on_a_line() -> None:
    energy = np.linspace(8900.0, 9000.0, 900)
    assert len(repr(Spectrum("copper", energy, energy * 1e-3))) < 150
