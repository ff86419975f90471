"""Shell correlations against one written out mode by mode, and against maps whose agreement is known."""

import itertools

import numpy as np
import pytest

from dinr_studio.analysis.directional import directional, hemisphere, sphericity
from dinr_studio.analysis.fsc import crossing, fsc, half_bit
from dinr_studio.analysis.local_resolution import local_resolution
from dinr_studio.analysis.soft_masks import soft_box, soft_sphere, softened
from dinr_studio.errors import ConfigError, DataError
from dinr_studio.fourier import shells_of


def result_of(steps):
    """What a generator returns; its progress must rise to 1."""
    shares = []
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            assert shares == sorted(shares)
            assert shares[-1] == pytest.approx(1)
            return end.value


def filtered_noise(shape, seed, low_pass):
    """White noise without the frequencies above a share of the sampling rate."""
    values = np.random.default_rng(seed).standard_normal(shape)
    squares = sum(np.square(f) for f in np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij"))
    return np.fft.ifftn(np.fft.fftn(values) * (squares < low_pass**2)).real


def naive_curve(first, second, voxel_size):
    """The correlation by shell, one mode of the full transform after another."""
    shape = first.shape
    a, b = np.fft.fftn(first), np.fft.fftn(second)
    width = max(1 / (n * v) for n, v in zip(shape, voxel_size, strict=True))
    shells = int(min(0.5 / v for v in voxel_size) / width + 1e-9) + 1
    sums = np.zeros((3, shells), dtype=complex)
    steps = [np.fft.fftfreq(n, v) for n, v in zip(shape, voxel_size, strict=True)]
    for index in itertools.product(*(range(n) for n in shape)):
        shell = round(np.sqrt(sum(step[i] ** 2 for step, i in zip(steps, index, strict=True))) / width)
        if shell < shells:
            x, y = a[index], b[index]
            sums[:, shell] += x * np.conj(y), abs(x) ** 2, abs(y) ** 2
    assert np.abs(sums[0].imag).max() < 1e-6 * np.abs(sums[0]).max()
    return width * np.arange(shells), (sums[0] / np.sqrt(sums[1] * sums[2])).real


@pytest.mark.parametrize(
    ("shape", "voxel_size"),
    [((12, 12, 12), (1.5, 1.5, 1.5)), ((9, 14, 16), (2.0, 1.2, 0.7)), ((20, 31), (0.4, 0.4))],
)
def test_the_correlation_is_that_of_a_sum_over_single_modes(shape, voxel_size):
    signal = filtered_noise(shape, 0, 0.3)
    first, second = (signal + 0.2 * np.random.default_rng(i).standard_normal(shape) for i in (1, 2))
    frequency, curve = naive_curve(first, second, voxel_size)
    found = fsc(first, second, voxel_size)
    np.testing.assert_allclose(found.frequency, frequency, rtol=1e-12)
    np.testing.assert_allclose(found.curves["unmasked"][1:], curve[1:], atol=1e-9)
    mask = soft_sphere(shape, voxel_size)
    masked = [mask * (one - np.average(one, weights=mask)) for one in (first, second)]
    _, curve = naive_curve(*masked, voxel_size)
    np.testing.assert_allclose(fsc(first, second, voxel_size, mask=mask).curves["masked"][1:], curve[1:], atol=1e-9)


def test_every_mode_of_a_whole_transform_is_counted_once():
    shells = shells_of((8, 9, 10), (1.0, 1.0, 1.0))
    lengths = [np.sqrt(sum(f**2 for f in vector)) for vector in itertools.product(*map(np.fft.fftfreq, (8, 9, 10)))]
    numbers = np.rint(np.array(lengths) / shells.width).astype(int)
    np.testing.assert_array_equal(shells.modes, np.bincount(numbers)[: shells.count])


def test_two_noisy_copies_agree_as_their_signal_to_noise_says():
    """White signal S and noise N of equal power correlate by S / (S + N) = 0.5 in every shell."""
    random = np.random.default_rng(2)
    signal, *noises = (random.standard_normal((40, 40, 40)) for _ in range(3))
    curve = fsc(signal + noises[0], signal + noises[1], (1.0,) * 3).curves["unmasked"]
    assert np.abs(curve[5:] - 0.5).max() < 0.06


def test_the_resolution_is_where_the_signal_ends_in_the_unit_of_length():
    signal = filtered_noise((48, 48, 48), 0, 0.25)
    noises = (0.05 * np.random.default_rng(i).standard_normal(signal.shape) for i in (1, 2))
    first, second = (signal + noise for noise in noises)
    found = fsc(first, second, (0.5,) * 3, unit="nm")
    assert found.resolution("0.143").length == pytest.approx(0.5 / 0.25, rel=0.08)
    assert found.resolution("0.143").length < found.resolution("0.5").length
    assert "nm" in found.as_dict()["verdict"]
    same = fsc(signal + first, signal + first, (0.5,) * 3, unit="nm")
    assert same.resolution("0.143").length is None
    assert "beyond the Nyquist limit of 1 nm" in same.as_dict()["verdict"]


def test_the_crossing_is_interpolated_between_shells():
    frequency, curve = np.arange(4) * 0.1, np.array([1.0, 0.8, 0.4, 0.0])
    assert crossing(frequency, curve, np.full(4, 0.5)) == pytest.approx(0.175)
    assert crossing(frequency, np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 0.5)) == pytest.approx(0.05)
    assert crossing(frequency, np.ones(4), np.full(4, 0.5)) is None


def test_the_half_bit_threshold_tends_to_its_limit_with_many_modes():
    assert half_bit(np.array([1e12]))[0] == pytest.approx(0.2071 / 1.2071, rel=1e-4)
    assert half_bit(np.array([100.0]))[0] == pytest.approx((0.2071 + 0.19102) / (1.2071 + 0.09102))


def test_the_control_takes_off_the_correlation_that_a_tight_mask_makes():
    """What both share ends at a tenth of the sampling rate; a sharp mask carries it to every frequency."""
    shape = (32, 32, 32)
    mask = np.zeros(shape)
    mask[12:20, 11:21, 12:20] = 1
    signal = 30 * filtered_noise(shape, 0, 0.1)
    first, second = (signal + np.random.default_rng(i).standard_normal(shape) for i in (1, 2))
    found = fsc(first, second, (1.0,) * 3, mask=mask)
    high = slice(8, None)
    assert found.curves["unmasked"][high].mean() < 0.1
    assert found.curves["masked"][high].mean() > 0.4
    assert found.curves["corrected"][high].mean() < 0.2
    assert found.frequency[3] <= found.randomised_from <= found.frequency[6]


def test_the_randomised_control_keeps_the_amplitudes_and_low_phases():
    from dinr_studio.analysis import fsc as module

    values = filtered_noise((16, 18), 3, 0.4)
    shells = shells_of(values.shape, (1.0, 1.0))
    before = module.transformed(values, None)
    after = np.fft.rfftn(module._randomised(before, shells, 4, seed=0))
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-9)
    low = shells.numbers(slice(None)) < 4
    np.testing.assert_allclose(after[low], before[low], atol=1e-9)
    assert np.abs(after - before)[~low].max() > 0.1


@pytest.mark.parametrize(("first", "second", "words"), [
    (np.ones((9, 9)), np.ones((9, 9)), "constant"),
    (np.eye(9), np.eye(10), "one grid"),
    (np.eye(4), np.eye(4), "8 voxels"),
    (np.arange(20.0), np.arange(20.0), "2 or 3"),
])  # fmt: skip
def test_maps_that_cannot_be_compared_are_refused_in_a_sentence(first, second, words):
    with pytest.raises(DataError, match=words):
        fsc(first, second, (1.0,) * first.ndim)


def test_a_sharp_mask_gets_a_soft_edge_and_a_soft_one_stays():
    sharp = np.zeros((30, 30))
    sharp[10:20, 10:20] = 1
    soft = softened(sharp, (2.0, 2.0), edge=8.0)
    assert (soft[10:20, 10:20] == 1).all()
    assert soft[15, 21] == pytest.approx(0.5)  # 4 of 8 units outside
    assert soft[15, 23:].max() == pytest.approx(0)
    np.testing.assert_array_equal(softened(soft, (2.0, 2.0)), soft)
    with pytest.raises(DataError, match="0 everywhere"):
        softened(np.zeros((4, 4)), (1.0, 1.0))
    assert soft_box((20, 20), (1.0, 1.0))[0, 10] < 0.2


def test_blur_along_one_axis_shows_as_worse_resolution_in_that_direction():
    shape = (40, 40, 40)
    signal = np.fft.fftn(np.random.default_rng(0).standard_normal(shape))
    along = np.abs(np.fft.fftfreq(40))[:, None, None]
    signal = np.fft.ifftn(signal * (along < 0.2)).real
    first, second = (signal + 0.3 * np.random.default_rng(i).standard_normal(shape) for i in (1, 2))
    found = result_of(directional(first, second, (1.0,) * 3, unit="nm"))
    assert abs(found.directions[found.worst][0]) > 0.85
    assert 1 / found.frequency.min() == pytest.approx(5, rel=0.15)
    assert found.frequency[np.abs(found.directions[:, 0]) < 0.2].min() > 0.45
    assert found.sphericity < 0.95
    assert "depends on direction" in found.as_dict()["verdict"]
    even = result_of(directional(first, first, (1.0,) * 3))
    assert even.sphericity == pytest.approx(1)


def test_a_flattened_sphere_is_less_spherical_by_the_known_amount():
    """An oblate spheroid of axes 1, 1, 1/2 has a sphericity of 0.9131 (its area is known in closed form)."""
    directions = hemisphere(400)
    radius = 1 / np.sqrt((directions[:, 0] / 0.5) ** 2 + directions[:, 1] ** 2 + directions[:, 2] ** 2)
    e = np.sqrt(1 - 0.25)
    area = 2 * np.pi * (1 + (1 - e**2) / e * np.arctanh(e))
    exact = np.pi ** (1 / 3) * (6 * 4 / 3 * np.pi * 0.5) ** (2 / 3) / area
    assert sphericity(directions, radius) == pytest.approx(exact, rel=0.01)


def test_local_resolution_is_coarser_where_the_detail_is():
    shape = (32, 32, 64)
    fine, coarse = filtered_noise(shape, 0, 0.4), filtered_noise(shape, 1, 0.15)
    signal = np.where(np.arange(64) < 32, fine / fine.std(), coarse / coarse.std())
    first, second = (signal + 0.6 * np.random.default_rng(i).standard_normal(shape) for i in (2, 3))
    found = result_of(local_resolution(first, second, (1.0,) * 3, unit="nm", window=16, step=8))
    assert found.values.shape == shape
    assert np.median(found.values[..., :20]) < 0.6 * np.median(found.values[..., 44:])
    assert 4 < np.median(found.values[..., 44:]) < 8  # 6.7, less what the window smears
    with pytest.raises(ConfigError, match="window"):
        result_of(local_resolution(first, second, (1.0,) * 3, window=64))
