"""Features tell wavelengths, orientations and shapes apart, and overlook what should not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from nescio.configuration import validated
from nescio.errors import ConfigurationError, MeasurementError
from nescio.explore.candidates import CandidateMaker
from nescio.learn import ConvolutionalVAE, VAESettings, fit_convolutional_vae, fit_vae
from nescio.microscopy import (
    LearnedSettings,
    PatchSettings,
    PrincipalSettings,
    RawSettings,
    WaveletSettings,
    build_encoder,
    extract_patches,
    image_dataset,
    image_patches,
)
from nescio.microscopy.encoders import encoder_names, octaves
from nescio.microscopy.encoders.filters import gabor_bank, pooled_energies

RANDOM = np.random.default_rng(0)


def grating(wavelength, angle, size=32, phase=0.0):
    """A wave along the direction that lies `angle` from x towards y."""
    y, x = np.mgrid[:size, :size]
    return np.cos(2 * np.pi / wavelength * (x * np.cos(angle) + y * np.sin(angle)) + phase)


def texture(size=64):
    """Noise that is stretched along one direction, as domains are."""
    y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    gain = np.exp(-0.5 * (((x + y) / 0.15) ** 2 + ((x - y) / 0.05) ** 2))
    field = np.fft.ifft2(gain * np.fft.fft2(RANDOM.normal(size=(size, size)))).real
    return (field / field.std()).astype(np.float32)


def by_fourier_transforms(patches):
    """The default wavelet features of patches of one channel, from the definition alone."""
    height, width = patches.shape[2:]
    values = ((patches - patches.mean(dtype=float)) / patches.std(dtype=float))[:, 0]
    margins = ((height // 2,) * 2, (width // 2,) * 2)
    mirrored = np.stack([np.pad(patch, margins, mode="reflect") for patch in values])
    fy = np.fft.fftfreq(mirrored.shape[1])[:, None]
    fx = np.fft.fftfreq(mirrored.shape[2])[None, :]
    v = (np.arange(height) - (height - 1) / 2)[:, None] / height
    u = (np.arange(width) - (width - 1) / 2)[None, :] / width
    energies = []
    for wavelength in octaves((height, width)):
        for angle in np.pi * np.arange(8) / 8:
            centre = np.cos(angle) / wavelength, np.sin(angle) / wavelength
            gain = np.exp(-0.5 * ((fx - centre[0]) ** 2 + (fy - centre[1]) ** 2) / (0.5 / wavelength) ** 2)
            gain[0, 0] = 0.0
            response = np.fft.ifft2(gain * np.fft.fft2(mirrored))
            response = response[:, height // 2 : height // 2 + height, width // 2 : width // 2 + width]
            for share in (0.12, 0.3):
                window = np.exp(-0.5 * (u**2 + v**2) / share**2)
                energies.append((np.abs(response) ** 2 * window).sum((1, 2)) / window.sum())
    samples = []
    for row in range(4):
        for column in range(4):
            at = (row + 0.5) / 4 - 0.5 - v, (column + 0.5) / 4 - 0.5 - u
            blur = np.exp(-0.5 * (at[0] ** 2 + at[1] ** 2) * 36)
            samples.append((values * blur).sum((1, 2)) / blur.sum())
    spread = np.log(values.std((1, 2)) + 1e-3)
    return np.stack([*np.log(np.array(energies) + 1e-3), *samples, values.mean((1, 2)), spread], axis=1)


@pytest.mark.parametrize("size", [(16, 16), (9, 14)])
def test_wavelet_features_are_what_the_definition_says(size):
    patches = extract_patches(texture()[None], RANDOM.integers(20, 40, (30, 2)), size)
    # One patch without any contrast.
    patches[3] = 0.5
    np.testing.assert_allclose(WaveletSettings().encode(patches), by_fourier_transforms(patches), atol=2e-4)


def test_a_grating_excites_the_filter_of_its_wavelength_and_orientation():
    told = [(scale, turn) for scale in range(4) for turn in range(8)]
    patches = np.stack([grating(3 * 2**scale, np.pi * turn / 8, phase=1.0) for scale, turn in told])
    energies = WaveletSettings().energies(patches[:, None].astype(np.float32))
    assert energies.shape == (32, 1, 4, 8, 2)
    for window in range(2):
        # Of 24 pixels there is hardly more than one wave in the patch, and its mirror image blurs the direction.
        found = [np.unravel_index(one.argmax(), one.shape) for one in energies[:24, 0, :, :, window]]
        assert found == told[:24]


def test_the_response_to_a_plane_wave_is_the_gain_at_its_frequency():
    # Of cos(kx) half is exp(ikx), so that the modulus squared is gain^2 / 4, far from the border.
    bank = gabor_bank((32, 32), [6.0], 4, 0.3, [0.1])
    waves = [(6.0, 0.0), (5.0, 0.0), (6.0, 0.3)]
    found = np.asarray(pooled_energies(np.stack([grating(*wave) for wave in waves]).astype(np.float32), bank))
    for place, (wavelength, angle) in enumerate(waves):
        away = (np.cos(angle) / wavelength - 1 / 6) ** 2 + (np.sin(angle) / wavelength) ** 2
        gain = np.exp(-0.5 * away / (0.3 / 6) ** 2)
        assert found[0, 0, place] == pytest.approx(gain**2 / 4, rel=0.01)


def test_energies_hardly_change_when_the_patch_moves_but_do_when_it_turns():
    image = texture()[None]
    places = RANDOM.integers(16, 46, (40, 2))
    here = extract_patches(image, places, 16)
    turned = np.rot90(here, axes=(2, 3))
    moved = [extract_patches(image, places + step, 16) for step in ([0, 1], [1, 1])]
    energies = WaveletSettings().energies(np.concatenate([here, turned, *moved]))[..., 1].reshape(4, -1)
    logarithms = np.log(energies + 1e-2)
    change = np.sqrt(((logarithms[1:] - logarithms[0]) ** 2).mean(axis=1))
    assert change[1] < 0.25 * change[0]
    assert change[2] < 0.35 * change[0]


def test_turning_a_patch_by_a_quarter_turns_the_orientations():
    # Of an odd side, so that the patch is symmetric about its middle and no frequency is its own negative.
    patches = RANDOM.normal(size=(5, 1, 9, 9)).astype(np.float32)
    straight = WaveletSettings().energies(patches)
    turned = WaveletSettings().energies(np.rot90(patches, axes=(2, 3)))
    np.testing.assert_allclose(turned, np.roll(straight, 4, axis=3), rtol=2e-3, atol=1e-5)


def test_contrast_turned_over_is_told_by_the_blurred_patch_alone():
    patches = RANDOM.normal(size=(20, 1, 16, 16)).astype(np.float32)
    patches -= patches.mean()
    there, back = WaveletSettings().encode(patches), WaveletSettings().encode(-patches)
    np.testing.assert_allclose(back[:, :48], there[:, :48], atol=1e-4)
    np.testing.assert_allclose(back[:, 48:65], -there[:, 48:65], atol=1e-5)
    np.testing.assert_allclose(back[:, 65], there[:, 65], atol=1e-5)


def test_units_of_the_image_do_not_matter_to_wavelets():
    patches = RANDOM.normal(size=(20, 1, 16, 16)).astype(np.float32)
    metres = (3e-9 * patches + 2e-9).astype(np.float32)
    np.testing.assert_allclose(WaveletSettings().encode(metres), WaveletSettings().encode(patches), atol=1e-3)


@pytest.mark.parametrize(("shape", "scales"), [((1, 4, 4), 1), ((3, 5, 11), 1), ((2, 17, 16), 3)])
def test_patches_may_have_any_size_and_number_of_channels(shape, scales):
    patches = RANDOM.normal(size=(7, *shape)).astype(np.float32)
    features = WaveletSettings().encode(patches)
    assert features.dtype == np.float32
    assert features.shape == (7, shape[0] * (scales * 8 * 2 + 16 + 2))
    assert np.isfinite(features).all()


def test_each_channel_has_its_own_features():
    patches = RANDOM.normal(size=(6, 2, 16, 16)).astype(np.float32)
    both = WaveletSettings().encode(patches)
    for channel in range(2):
        alone = WaveletSettings().encode(patches[:, [channel]])
        np.testing.assert_allclose(both[:, 48 * channel : 48 * (channel + 1)], alone[:, :48], atol=1e-4)
        start = 96 + 16 * channel
        np.testing.assert_allclose(both[:, start : start + 16], alone[:, 48:64], atol=1e-5)
        np.testing.assert_allclose(both[:, [128 + channel, 130 + channel]], alone[:, 64:], atol=1e-5)


def test_the_number_of_patches_compiles_nothing_new():
    # A chunk holds 1024 patches of this size.
    few, many = (RANDOM.normal(size=(n, 1, 16, 16)).astype(np.float32) for n in (3, 1030))
    many[-3:] = few
    WaveletSettings().encode(few)
    compiled = pooled_energies._cache_size()
    features = WaveletSettings().encode(many)
    assert pooled_energies._cache_size() == compiled
    assert len(features) == 1030
    np.testing.assert_allclose(
        features, WaveletSettings().encode(many[::-1])[::-1], atol=1e-5, err_msg="wherever a patch stands"
    )


def test_octaves_go_up_to_three_quarters_of_the_shorter_side():
    assert octaves((16, 16)) == (3.0, 6.0, 12.0)
    assert octaves((15, 40)) == (3.0, 6.0)
    assert octaves((4, 4)) == (3.0,)
    assert octaves((32, 32)) == (3.0, 6.0, 12.0, 24.0)
    with pytest.raises(MeasurementError, match="3 x 16 pixels are too small for wavelets"):
        octaves((3, 16))


def test_wavelets_explain_more_of_a_property_than_pixels_do(data_folder):
    bench = np.load(data_folder / "microscopy" / "synthetic_bench.npz", allow_pickle=False)
    patches, truth = bench["X"].reshape(-1, 1, 16, 16), bench["y"]
    measured = np.random.default_rng(0).permutation(len(truth))[:200]

    def explained(features):
        x = (features - features.mean(0)) / features.std(0)
        size = (x**2).mean(axis=1)
        square = size[:, None] + size[measured] - 2 * x @ x[measured].T / x.shape[1]
        kernel = np.exp(-0.5 * square)
        centre = bench["y_obs"][measured].mean()
        weights = np.linalg.solve(
            kernel[measured] + 0.01 * np.eye(len(measured)), bench["y_obs"][measured] - centre
        )
        return 1 - ((centre + kernel @ weights - truth) ** 2).mean() / truth.var()

    wavelets, pixels = explained(WaveletSettings().encode(patches)), explained(RawSettings().encode(patches))
    assert wavelets > 0.96
    assert 1 - wavelets < 0.5 * (1 - pixels)


def test_raw_features_are_the_pixels():
    patches = RANDOM.normal(size=(4, 2, 3, 5)).astype(np.float32)
    features = RawSettings().encode(patches)
    np.testing.assert_array_equal(features.reshape(patches.shape), patches)
    features[:] = 0.0
    assert patches.any(), "they are a copy"


def test_principal_components_keep_all_distances_where_there_are_enough():
    patterns = RANDOM.normal(size=(3, 25))
    patches = (RANDOM.normal(size=(40, 3)) @ patterns + 7.0).reshape(40, 1, 5, 5).astype(np.float32)
    features = PrincipalSettings(components=5).encode(patches)
    assert features.shape == (40, 5)
    pixels = patches.reshape(40, -1)
    for place in range(1, 40):
        apart = np.linalg.norm(pixels[place] - pixels[0])
        assert np.linalg.norm(features[place] - features[0]) == pytest.approx(apart, rel=1e-4)
    spread = features.std(axis=0)
    assert (np.diff(spread[:3]) < 0).all()
    assert spread[3:] == pytest.approx(0.0, abs=1e-4), "three patterns, three components"


def test_principal_components_are_fewer_where_there_are_few_patches():
    assert PrincipalSettings().encode(RANDOM.normal(size=(6, 1, 4, 4)).astype(np.float32)).shape == (6, 6)
    assert not PrincipalSettings().encode(np.ones((1, 1, 4, 4), np.float32)).any()


def test_principal_components_of_many_large_patches_are_the_same_to_a_projection():
    scores = RANDOM.normal(size=(1040, 3)) * [9.0, 5.0, 3.0]
    patterns = np.linalg.qr(RANDOM.normal(size=(1040, 3)))[0].T
    patches = (scores @ patterns).reshape(1040, 1, 26, 40).astype(np.float32)
    features = PrincipalSettings(components=3).encode(patches, seed=1)
    np.testing.assert_array_equal(features, PrincipalSettings(components=3).encode(patches, seed=1))
    expected = np.linalg.svd(scores - scores.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(features, axis=0), expected, rtol=1e-4)


def bars(n=200):
    """Upright and level bars at various places, and which are which."""
    patches = np.zeros((n, 1, 8, 8), np.float32)
    level = np.arange(n) % 2 == 0
    for patch, place, lies in zip(patches[:, 0], RANDOM.integers(1, 7, n), level, strict=True):
        patch[place if lies else slice(None), slice(None) if lies else place] = 1.0
    return patches, level


@pytest.mark.parametrize("channels", [(), (4, 8)])
def test_an_autoencoder_finds_what_patches_differ_in_and_the_same_again_by_its_seed(channels):
    patches, level = bars()
    encoder = LearnedSettings(
        latent=3, channels=channels, hidden=(32,), steps=300, batch=64, learning_rate=5e-3
    )
    features = encoder.encode(patches, seed=1)
    assert features.shape == (200, 3)
    np.testing.assert_array_equal(encoder.encode(patches, seed=1), features)
    assert not np.allclose(encoder.encode(patches, seed=2), features)
    # Of a place's nearest neighbours nearly all are bars of the same direction.
    apart = np.linalg.norm(features[:, None] - features, axis=2)
    nearest = np.argsort(apart, axis=1)[:, 1:4]
    assert (level[nearest] == level[:, None]).mean() > 0.95


def plain_convolution(images, layer, transposed=None):
    """As JAX convolves: windows of 4 x 4 at every second pixel, or the transpose of that to a size."""
    channels = images.shape[1]
    x = np.transpose(images, (0, 2, 3, 1))
    # The layer's window is four blocks of 2 x 2.
    if transposed is None:
        window = np.asarray(layer.weight).reshape(2, 2, 2, 2, channels, -1).transpose(0, 2, 1, 3, 4, 5)
        window = window.reshape(4, 4, channels, -1)
        height, width = x.shape[1:3]
        beyond = [(1, 2 * -(-n // 2) + 1 - n) for n in (height, width)]
        out = jax.lax.conv_general_dilated(
            x, window, (2, 2), beyond, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return out + layer.bias
    window = np.asarray(layer.weight).reshape(channels, 2, 2, 2, 2, -1).transpose(1, 3, 2, 4, 0, 5)
    window = window.reshape(4, 4, channels, -1)[::-1, ::-1]
    out = jax.lax.conv_general_dilated(
        x, window, (1, 1), [(2, 2), (2, 2)], lhs_dilation=(2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return out[:, : transposed[0], : transposed[1]]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 10)])
def test_layers_of_a_convolutional_autoencoder_are_convolutions(shape):
    vae = ConvolutionalVAE(shape, (5,), (), 2, beta=1.0, rng=np.random.default_rng(0))
    images = RANDOM.normal(size=(4, *shape)).astype(np.float32)
    height, width = shape[1:]
    by_hand = np.maximum(plain_convolution(images, vae.inward[0]), 0.0).reshape(4, -1)
    by_hand = by_hand @ vae.encoder[0].weight
    np.testing.assert_allclose(jnp.concatenate(vae.encode(images), axis=1), by_hand, atol=1e-5)
    latent = RANDOM.normal(size=(4, 2)).astype(np.float32)
    small = np.maximum(latent @ np.asarray(vae.decoder[0].weight), 0.0)
    small = small.reshape(4, -(-height // 2), -(-width // 2), 5).transpose(0, 3, 1, 2)
    drawn = plain_convolution(small, vae.outward[0], (height, width))
    np.testing.assert_allclose(vae.decode(latent), np.transpose(drawn, (0, 3, 1, 2)), atol=1e-5)


def test_a_convolutional_autoencoder_draws_images_again_whatever_their_size():
    images = np.clip(bars()[0][:, :, :7], 0.0, 1.0)
    settings = {"channels": (4, 8), "hidden": (32,), "latent": 3, "beta": 0.1, "learning_rate": 5e-3}
    vae = fit_convolutional_vae(images, jax.random.key(0), steps=400, batch=64, **settings)
    assert ((np.asarray(vae.reconstruct(images)) - images) ** 2).mean() < 0.3 * images.var()


def test_an_autoencoder_of_stored_signals_draws_them_again():
    signals = bars()[0].reshape(200, -1)
    # As above, so that nothing is compiled again.
    settings = VAESettings(latent=3, hidden=(32,), beta=0.1)
    vae = fit_vae(signals, settings, jax.random.key(0), steps=300, batch=64, learning_rate=5e-3)
    drawn = np.asarray(vae.reconstruct(signals, np.zeros((200, 0), np.float32)))
    assert ((drawn - signals) ** 2).mean() < 0.3 * signals.var()


def test_an_autoencoder_refuses_what_is_no_signal():
    with pytest.raises(MeasurementError, match="scaled to 0-1"):
        fit_vae(np.full((3, 4), 2.0), VAESettings(), jax.random.key(0))
    with pytest.raises(MeasurementError, match="needs shape"):
        fit_vae(np.zeros(4), VAESettings(), jax.random.key(0))
    with pytest.raises(MeasurementError, match=r"images of shape \(5, 8, 8\): needs"):
        fit_convolutional_vae(np.zeros((5, 8, 8)), jax.random.key(0))
    with pytest.raises(MeasurementError, match="scaled to 0-1"):
        fit_convolutional_vae(np.full((3, 1, 4, 4), 2.0), jax.random.key(0))
    with pytest.raises(ValidationError, match="needs channels, hidden or both"):
        LearnedSettings(channels=(), hidden=())


@pytest.mark.parametrize(
    "encoder", [WaveletSettings(), LearnedSettings(), PrincipalSettings(), RawSettings()]
)
def test_what_is_no_patch_is_refused(encoder):
    with pytest.raises(MeasurementError, match=r"patches have shape \(5, 8, 8\)"):
        encoder.encode(np.zeros((5, 8, 8), np.float32), seed=0)
    broken = np.zeros((5, 1, 8, 8), np.float32)
    broken[2, 0, 3, 3] = np.inf
    with pytest.raises(MeasurementError, match=r"patch 2 \(of 1\) is not finite"):
        encoder.encode(broken, seed=0)


def test_a_wavelength_must_fit_into_the_patch():
    with pytest.raises(MeasurementError, match="wavelength of 40 pixels is longer than patches of 16 x 16"):
        WaveletSettings(wavelengths=(4.0, 40.0)).encode(np.zeros((2, 1, 16, 16), np.float32))
    with pytest.raises(MeasurementError, match=r"7 x 64 filters for patches of 500 x 500 need 2\.5 GiB"):
        WaveletSettings(orientations=64).encode(np.zeros((1, 1, 500, 500), np.float32))


def test_encoders_are_built_from_their_tables():
    assert build_encoder({}) == WaveletSettings()
    assert build_encoder({"kind": "pca", "components": 5}) == PrincipalSettings(components=5)
    assert build_encoder({"kind": "wavelets", "wavelengths": [3, 5]}) == WaveletSettings(
        wavelengths=(3.0, 5.0)
    )
    with pytest.raises(ConfigurationError, match=r"e: kind 'resnet' is not known \(known: \"pca\", \"raw\""):
        build_encoder({"kind": "resnet"}, "e")
    with pytest.raises(ConfigurationError, match="e: needs a key kind"):
        build_encoder({"components": 5}, "e")
    with pytest.raises(ConfigurationError, match=r"e: latent: .*, not 0"):
        build_encoder({"kind": "vae", "latent": 0}, "e")
    encoders = [build_encoder({"kind": kind}) for kind in ("pca", "raw", "pca", "pca")]
    assert encoder_names(encoders) == ("pca", "raw", "pca 2", "pca 3")


def survey(places=None) -> xr.Dataset:
    image = image_dataset(RANDOM.normal(size=(2, 30, 30)), pixel_size=2.0, unit="nm", channels=["a", "b"])
    if places is None:
        return image
    position = (("candidate", "coordinate"), np.array(places, float), {"units": "nm"})
    return image.assign(position=position).assign_coords(coordinate=["y", "x"])


def test_patches_become_candidates_with_features():
    settings = PatchSettings(
        size=8, encoder={"kind": "raw"}, alternatives=({"kind": "pca", "components": 2}, {})
    )
    assert isinstance(settings, CandidateMaker)
    # The first position's patch leaves the image.
    there = survey([[0, 0], [20, 20], [30, 24]])
    candidates = settings.candidates(there, seed=0)
    patches = image_patches(there, settings)
    np.testing.assert_array_equal(candidates.features, patches.patches.reshape(2, -1))
    np.testing.assert_array_equal(candidates.positions, [[20, 20], [30, 24]])
    assert candidates.coordinates == ("y", "x")
    assert candidates.unit == "nm"
    assert candidates.encoder == "raw"
    assert list(candidates.alternatives) == ["pca", "wavelets"]
    np.testing.assert_array_equal(
        candidates.alternatives["wavelets"], WaveletSettings().encode(patches.patches)
    )
    assert candidates.survey_index.tolist() == [1, 2]


def test_places_of_a_grid_are_none_of_the_survey():
    settings = PatchSettings(size=8, stride=8, encoder={"kind": "raw"})
    assert settings.candidates(survey()).survey_index is None


def test_encoders_are_checked_with_the_configuration():
    with pytest.raises(ConfigurationError, match="run: encoder: wavelets: unknown key 'turns'"):
        validated(PatchSettings, {"encoder": {"kind": "wavelets", "turns": 8}}, "run")
    with pytest.raises(ConfigurationError, match=r"run: alternatives: .*'resnet' is not known"):
        validated(PatchSettings, {"alternatives": [{"kind": "raw"}, {"kind": "resnet"}]}, "run")
    with pytest.raises(ConfigurationError, match="encoder 'wavelets' is given twice"):
        validated(PatchSettings, {"alternatives": [{"kind": "wavelets", "orientations": 8}]}, "run")
    document = {"alternatives": [{"kind": "wavelets", "orientations": 4}, {"kind": "vae"}]}
    settings = validated(PatchSettings, document, "run")
    assert validated(PatchSettings, settings.model_dump(mode="json"), "run") == settings
