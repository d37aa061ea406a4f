"""A configuration is what its author meant, or one line says which key is not."""

import copy
import json
import math
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nescio.configuration import read_toml, validated
from nescio.errors import ConfigurationError, NescioError
from nescio.learn import LearnSettings
from nescio.xrd import PriorSettings

NICKEL = """
[[phases]]
name = "Ni"
space_group = "Fm-3m"
cell = [3.524, 3.524, 3.524, 90, 90, 90]
sites = [{ element = "Ni", position = [0, 0, 0], b_iso = 0.4 }]
"""
# Every table and every kind of value that a prior may hold.
WHOLE = (
    """
technique = "xrd"
[axis]
kind = "two_theta"
start = 25.0
stop = 80
points = 256
[radiation]
source = [[1.5405929, 2.0], [1.5444274, 1.0]]
monochromator_two_theta = 26.6
anomalous = false
[texture]
march_coefficient = { uniform = [0.2, 1.0] }
axes = [[0, 0, 1], [1, 1, 1]]
random_share = 0.25
[lattice]
strain = { normal = [0.0, 0.003] }
axis_strain = 0.0
[broadening]
crystallite_size_nm = { log_uniform = [5, 40] }
[instrument]
u = 0.01
displacement_mm = { uniform = [-0.1, 0.1] }
[background]
polynomial = { uniform = [-0.02, 0.02] }
degree = 3
humps = 1
[noise]
gaussian = 0.005
counts = { log_uniform = [1e3, 1e5] }
"""
    + NICKEL
    + "composition = { Ni = [0.8, 1.0] }\n"
)


def read(text, phases=NICKEL):
    return validated(PriorSettings, tomllib.loads(text + phases), "prior.toml")


def phase(text):
    return f"[[phases]]\n{text}\n"


def test_a_phase_is_all_that_must_be_given_and_the_rest_is_the_study_of_banko():
    prior = read("")
    assert (prior.axis.start, prior.axis.stop, prior.axis.points) == (20.0, 90.0, 2048)
    assert prior.radiation.radiation.wavelength == pytest.approx(1.5406, abs=1e-4)


def test_what_is_written_is_what_is_read():
    prior = read(WHOLE, "")
    assert prior.axis.stop == 80.0
    assert prior.radiation.polarisation_factor == pytest.approx(math.cos(math.radians(26.6)) ** 2)
    assert (prior.broadening.crystallite_size_nm.low, prior.broadening.crystallite_size_nm.high) == (
        5.0,
        40.0,
    )
    assert prior.texture.axes == ((0, 0, 1), (1, 1, 1))
    assert prior.phases[0].composition == {"Ni": (0.8, 1.0)}


def test_settings_survive_json_unchanged():
    prior = read(WHOLE, "")
    assert PriorSettings.model_validate(json.loads(json.dumps(prior.model_dump(mode="json")))) == prior


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        read("").axis.start = 10.0


HUGE = "0x" + "f" * 5000

WRONG = {
    # unknown keys: the nearest known ones are listed
    "colour = 1": r"unknown key 'colour'; known here: axis, background",
    "[axis]\npoint = 512": r"unknown key 'axis.point'; known here: kind, points, start, stop",
    "[lattice]\nstrian = 0.01": r"unknown key 'lattice.strian'; .*strain",
    "[texture]\nmarch_coefficient = { uniform = [0.2, 1.0], mean = 1 }": r"texture.march_coefficient: a distribution",
    # the grid
    '[axis]\nkind = "2theta"': r"axis.kind: .*'two_theta' or 'q', not '2theta'",
    "[axis]\nstart = 90\nstop = 20": r"axis: start \(90\) must be positive and below stop \(20\)",
    "[axis]\nstart = -5": r"axis: start \(-5\) must be positive",
    "[axis]\nstart = 1e-300": r"axis: start \(1e-300\) is too close to zero; the smallest is 0.0001",
    "[axis]\nstart = nan": r"axis.start: .*finite number, not nan",
    "[axis]\nstop = 180": r"axis: two-theta must end below 180 degree",
    "[axis]\nstop = inf": r"axis.stop: .*finite number, not inf",
    "[axis]\nstart = 20\nstop = 20.001": r"axis: 2048 points from 20 to 20.001 are too close together",
    "[axis]\npoints = 3": r"axis.points: .*32, not 3",
    "[axis]\npoints = 2048.5": r"axis.points: .*integer, not 2048.5",
    f"[axis]\npoints = {HUGE}": r"axis.points: .*65536, not a value too long",
    '[axis]\nstart = "20"': r"axis.start: .*number, not '20'",
    "[axis]\nstart = true": r"axis.start: .*number, not True",
    '[axis]\nkind = "q"': r"axis.stop 90 1/angstrom is beyond 4 pi / wavelength = 8.157",
    '[axis]\nkind = "q"\nstart = 15\nstop = 57': r"axis.stop 57 1/angstrom is beyond",
    "axis = 5": r"axis: .*dictionary.*, not 5",
    # the beam, in other units
    "[radiation]\nsource = 0.15406": r"radiation.source: .*in nanometre; write 1.5406",
    "[radiation]\nsource = 1.54e-10": r"radiation.source: .*in metre, write 1.54",
    "[radiation]\nsource = 154.06": r"radiation.source: .*in picometre, write 1.5406",
    "[radiation]\nsource = 8048": r"radiation.source: .*in eV, write 1.54056",
    "[radiation]\nsource = [[0.070932, 1]]": r"radiation.source: .*in nanometre; write 0.70932",
    '[radiation]\nsource = "CuKx"': r"radiation.source: .*'CuKx' is unknown; give one of .*CuKa",
    "[radiation]\nsource = true": r"radiation.source: radiation True is neither",
    "[radiation]\nsource = nan": r"radiation.source: wavelength nan",
    "[radiation]\nsource = []": r"radiation.source: .*empty list",
    "[radiation]\nsource = [[1.54]]": r"radiation.source: .*not \[wavelength in angstrom, weight\]",
    "[radiation]\nsource = [[1.54, -1]]": r"radiation.source: .*positive, finite weight",
    "[radiation]\nsource = { Cu = 1 }": r"radiation.source: .*neither a name",
    "[radiation]\npolarisation = 1.5": r"radiation.polarisation: .*, not 1.5",
    "[radiation]\nmonochromator_two_theta = 180": r"radiation.monochromator_two_theta: .*180",
    "[radiation]\npolarisation = 1\nmonochromator_two_theta = 26": r"radiation: give either polarisation or",
    # texture, lattice, widths
    '[texture]\naxes = "all"': r'texture.axes: give "reflections", or a list',
    "[texture]\naxes = [[0, 0, 0]]": r"texture.axes: .*none of them all zero",
    "[texture]\naxes = [[1, 0]]": r"texture.axes: .*\[\[0, 0, 1\]",
    "[texture]\naxes = [[nan, 0, 1]]": r"texture.axes",
    "[texture]\naxes = [[1e300, 0, 1]]": r"texture.axes",
    "[texture]\naxes = []": r"texture.axes",
    "[texture]\nmarch_coefficient = { uniform = [1.0, 0.2] }": r"texture.march_coefficient: the lower limit 1 is above",
    "[texture]\nmarch_coefficient = 0": r"texture.march_coefficient: .*within 0.01 to 10, not 0 to 0",
    '[texture]\nmarch_coefficient = "0.2"': r"texture.march_coefficient: a distribution is",
    "[texture]\nrandom_share = 50": r"texture.random_share: .*, not 50",
    "[lattice]\nstrain = { uniform = [-1, 1] }": r"lattice.strain: .*within -0.2 to 0.2, not -1 to 1",
    f"[lattice]\nstrain = {HUGE}": r"lattice.strain: .*finite",
    "[lattice]\nangle_change = { normal = [0, 5] }": r"lattice.angle_change: .*within -10 to 10, not -15 to 15",
    "[broadening]\ncrystallite_size_nm = { uniform = [0, 40] }": r"broadening.crystallite_size_nm: .*not 0 to 40",
    "[broadening]\ncrystallite_size_nm = { log_uniform = [0, 40] }": r"broadening.crystallite_size_nm: .*positive",
    "[broadening]\nmicrostrain = { normal = [0.001, 0.01] }": r"broadening.microstrain: .*not -0.029 to 0.031",
    "[broadening]\nmixing = 1.2": r"broadening.mixing: .*within 0 to 1",
    "[instrument]\nradius_mm = 0.2": r"instrument.radius_mm: .*greater than 1, not 0.2",
    "[instrument]\nzero_shift = 20": r"instrument.zero_shift: .*within -5 to 5",
    # background and noise
    "[background]\nhumps = 1\nhump_centre = 150": r"background.hump_centre, 150 to 150, lies outside the axis",
    "[background]\nhump_centre = 1e300": r"background.hump_centre",
    "[background]\ndegree = 40": r"background.degree: .*12, not 40",
    "[noise]\ngaussian = { uniform = [0, 5] }": r"noise.gaussian: .*within 0 to 1, not 0 to 5",
    "[noise]\ncounts = 0": r"noise.counts: .*within 1 to 1e\+09",
    'technique = "xas"': r"technique: .*'xrd', not 'xas'",
}

WRONG_PHASES = {
    'name = "Ni"': r"phases.0: phase 'Ni' needs either cif, or cell, space_group and sites",
    'cif = "ni.cif"': r"phases.0.name: Field required",
    'name = ""\ncif = "ni.cif"': r"phases.0.name: .*at least 1 character",
    'name = "Ni"\ncif = "ni.cif"\nspace_group = 225': r"phases.0: phase 'Ni' needs either",
    'name = "Ni"\nspace_group = 225': r"phases.0: phase 'Ni' needs all of cell, space_group and sites",
    'name = "Ni"\ncif = "ni.cif"\ncolour = "red"': r"unknown key 'phases.0.colour'; known here: cell, cif",
    'name = "Ni"\ncell = [3.5, 3.5, 3.5, 90, 90]\nspace_group = 225': r"phases.0.cell.5: Field required",
    'name = "Ni"\nspace_group = 300': r"phases.0.space_group: .*number from 1 to 230",
    'name = "Ni"\nspace_group = true': r"phases.0.space_group: .*number from 1 to 230",
    'name = "Ni"\ncif = "a"\ncomposition = { Ni = [0.9, 0.1] }': r"phases.0: composition of Ni .*not 0.9 to 0.1",
    'name = "Ni"\ncif = "a"\ncomposition = { Ni = [20, 80] }': r"phases.0: composition of Ni .*within 0 to 1",
    'name = "Ni"\ncif = "a"\ncomposition = { nickel = [0, 1] }': r"unknown element 'nickel'",
    'name = "Ni"\ncif = "a"\ncomposition = { Ni = [0.7, 1], Co = [0.6, 1] }': r"lowest fractions sum to 1.3",
    'name = "Ni"\ncif = "a"\ncomposition = { "N\\ni" = [0] }': r"phases.0.composition.'N\\ni'.1: Field required",
}
_SITE = (
    'name = "Ni"\ncell = [3.5, 3.5, 3.5, 90, 90, 90]\nspace_group = 225\nsites = [{{ element = "Ni", {} }}]'
)
WRONG_SITES = {
    "position = [0, 0]": r"phases.0.sites.0.position.2: Field required",
    "position = [0, 0, 0], occupancy = 1.5": r"phases.0.sites.0.occupancy: .*1, not 1.5",
    "position = [0, 0, 0], b_iso = -1": r"phases.0.sites.0.b_iso: .*, not -1",
    "position = [0, 0, 0], Biso = 1": r"unknown key 'phases.0.sites.0.Biso'; known here: b_iso, charge",
    'position = [0, 0, 0], charge = "2+"': r"phases.0.sites.0.charge: .*integer, not '2\+'",
}
CASES = (
    [(text + "\n", NICKEL, why) for text, why in WRONG.items()]
    + [("", phase(text), why) for text, why in WRONG_PHASES.items()]
    + [("", phase(_SITE.format(text)), why) for text, why in WRONG_SITES.items()]
    + [
        ("", NICKEL + NICKEL, r"two phases have the name 'Ni'"),
        ("", "phases = []", r"phases and cifs are empty"),
        ("", "", r"\(top level\): phases and cifs are empty"),
        (
            "",
            NICKEL + "composition = { Ni = [0, 1] }\n" + NICKEL.replace('"Ni"', '"Co"', 1),
            r"'Ni' has a composition but 'Co' has none",
        ),
    ]
)


@pytest.mark.parametrize(
    ("text", "phases", "why"), CASES, ids=[repr((a + b)[:60]) if a else b[-60:] for a, b, _ in CASES]
)
def test_one_line_names_the_key_that_is_wrong(text, phases, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        read(text, phases)
    message = str(caught.value)
    assert message.startswith("prior.toml: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 400


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 0.1, 1.5406])
    | st.just("f" * 5000).map(lambda digits: int(digits, 16))
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["CuKa", "q", "xrd", "reflections", "Fm-3m", "1.54 nm"])
    | st.dates()
)
KEYS = st.sampled_from(
    sorted(
        {
            *PriorSettings.model_fields,
            *LearnSettings.model_fields,
            "uniform",
            "normal",
            "start",
            "source",
            "cell",
        }
    )
) | st.text(max_size=5)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def _outcome(function, *arguments):
    """Return what a function returns, or its error if that is one of ours; any other escapes."""
    try:
        return function(*arguments)
    except NescioError as error:
        return error


def _accepts_or_explains(model, document):
    outcome = _outcome(validated, model, document, "some.toml")
    if isinstance(outcome, NescioError):
        assert len(str(outcome).splitlines()) == 1
    elif model is PriorSettings:
        stored = json.loads(json.dumps(outcome.model_dump(mode="json")))
        assert model.model_validate(stored) == outcome


@settings(max_examples=1000)
@given(document=st.dictionaries(KEYS, DOCUMENTS, max_size=5) | DOCUMENTS)
def test_any_document_is_accepted_or_explained(document):
    _accepts_or_explains(PriorSettings, document)
    _accepts_or_explains(LearnSettings, document)


def _places(document, path=()):
    """List the paths of all values within a document."""
    children = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [place for key, value in children for place in [(*path, key), *_places(value, (*path, key))]]


def _mutated(document, path, value):
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


VALID = tomllib.loads(WHOLE)
VALID_LEARN = LearnSettings().model_dump(mode="json")


@settings(max_examples=100)
@given(path=st.sampled_from(_places(VALID)), value=SCALARS | DOCUMENTS)
def test_a_prior_with_one_value_changed_is_accepted_or_explained(path, value):
    _accepts_or_explains(PriorSettings, _mutated(VALID, path, value))


@settings(max_examples=1000)
@given(path=st.sampled_from(_places(VALID_LEARN)), value=SCALARS | DOCUMENTS)
def test_learning_settings_with_one_value_changed_are_accepted_or_explained(path, value):
    _accepts_or_explains(LearnSettings, _mutated(VALID_LEARN, path, value))


@settings(max_examples=1000)
@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 30), st.text(max_size=10)).map(
        lambda cut: (WHOLE[: cut[0]] + cut[2] + WHOLE[cut[0] + cut[1] :]).encode()
    )
    | st.sampled_from([b"a = " + b"9" * 5000, b"a = 2024-13-45", b"a = " + b"[" * 5000, b"\xff\xfea\x00"])
)
def test_any_file_is_read_or_refused_by_name(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "prior.toml"
    path.write_bytes(content)
    outcome = _outcome(read_toml, path)
    if isinstance(outcome, NescioError):
        assert str(outcome).startswith(str(path))
        assert len(str(outcome).splitlines()) == 1
    else:
        _accepts_or_explains(PriorSettings, outcome)
