"""Codecs are decoded from their bytes alone, and are as good as their own libraries say."""

import numpy as np
import pytest
from scipy.fft import dctn

from dinr_studio.experiments.compression.codecs import CODECS, decoded_parts, encoded_parts, rounded
from dinr_studio.experiments.compression.cosine import by_frequency, decode_cosine, encode_cosine, encode_low_pass


def waves(shape, seed=0):
    """Some smooth waves and a little noise."""
    places = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    noise = np.random.default_rng(seed).standard_normal(shape)
    return (np.sin(places @ np.linspace(0.3, 0.5, len(shape))) + 0.01 * noise).astype("f4")


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("shape", [(20, 24), (9, 12, 16), (3, 9, 12, 10)])
def test_every_codec_gives_back_the_array_better_the_finer_its_level(name, shape):
    codec, values, errors = CODECS[name], waves(shape), []
    for level in codec.levels:
        parts = encoded_parts(codec, values, level * (float(np.ptp(values)) if codec.of_range else 1))
        assert all(isinstance(part, bytes) for part in parts)
        back = decoded_parts(codec, [bytes(bytearray(part)) for part in parts], shape)
        assert (back.shape, back.dtype) == (shape, np.float32)
        errors.append(float(np.sqrt(np.mean(np.square(back - values)))))
    assert errors[-1] <= errors[0]
    assert errors[-1] < 0.1 * np.ptp(values)


def test_blosc_alone_loses_nothing():
    values = waves((7, 8, 9))
    (encoded,) = encoded_parts(CODECS["blosc"], values, 0)
    np.testing.assert_array_equal(decoded_parts(CODECS["blosc"], [encoded], values.shape), values)


@pytest.mark.parametrize("name", ["zfp", "sz3"])
def test_a_tolerance_is_kept(name):
    values = waves((16, 16, 16))
    parts = encoded_parts(CODECS[name], values, 0.05)
    assert np.abs(decoded_parts(CODECS[name], parts, values.shape) - values).max() <= 0.05


def test_arrays_of_more_axes_are_cut_and_those_of_too_few_are_left_out():
    assert len(encoded_parts(CODECS["sperr"], waves((3, 9, 12, 10)), 30)) == 3
    assert len(encoded_parts(CODECS["jpeg2000"], waves((4, 12, 10)), 30)) == 4
    assert encoded_parts(CODECS["sperr"], waves((100,)), 30) == []
    assert len(encoded_parts(CODECS["sperr"], waves((1, 12, 10)), 30)) == 1


def test_rounded_values_are_the_nearest_with_so_many_bits():
    values = np.random.default_rng(3).normal(size=1000).astype("f4")
    for bits in (1, 4, 10):
        exponent = np.floor(np.log2(np.abs(values.astype("f8"))))
        spacing = 2.0 ** (exponent - bits)
        exact = np.rint(values / spacing) * spacing
        assert np.abs(rounded(values, bits) - values).max() <= np.abs(exact - values).max() * (1 + 1e-6)
        assert ((rounded(values, bits).view("u4") & ((1 << (23 - bits)) - 1)) == 0).all()


def test_a_wave_of_one_frequency_takes_one_coefficient():
    shape = (16, 20)
    spectrum = np.zeros(shape)
    spectrum[2, 3] = 50.0
    from scipy.fft import idctn

    values = idctn(spectrum, norm="ortho").astype("f4")
    encoded = encode_cosine(values, 1.0)
    assert len(encoded) < 60
    np.testing.assert_allclose(decode_cosine(encoded), values, atol=1e-5)


def test_the_largest_coefficients_are_kept_to_the_step():
    values = waves((12, 14), seed=2)
    step = 0.05
    back = dctn(decode_cosine(encode_cosine(values, step)).astype("f8"), norm="ortho")
    true = dctn(values.astype("f8"), norm="ortho")
    large = np.abs(true) >= step
    assert np.abs(back - true)[large].max() <= 0.61 * step
    assert np.abs(back[np.abs(true) < 0.59 * step]).max() < 1e-6


def test_a_low_pass_keeps_the_lowest_frequencies_only():
    values = waves((16, 18), seed=3)
    back = dctn(decode_cosine(encode_low_pass(values, 0.1)).astype("f8"), norm="ortho").reshape(-1)
    order = by_frequency(values.shape)
    kept = round(0.1 * values.size)
    assert np.abs(back[order[kept:]]).max() < 1e-5
    left_out = np.sum(np.square(dctn(values.astype("f8"), norm="ortho").reshape(-1)[order[kept:]]))
    error = np.sum(np.square(decode_cosine(encode_low_pass(values, 0.1)).astype("f8") - values))
    assert left_out <= error < 1.15 * left_out


def test_a_constant_array_survives_the_transform():
    np.testing.assert_allclose(decode_cosine(encode_cosine(np.full((5, 6), 3.0, "f4"), 0.1)), 3.0, atol=0.02)
    np.testing.assert_array_equal(decode_cosine(encode_cosine(np.zeros((5, 6), "f4"), 0.1)), 0)
