import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinr_studio.permutation import chosen, permuted


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_the_order_is_a_permutation_of_any_size(size, seed, epoch):
    order = permuted(np.arange(size), size, (seed, epoch))
    assert np.array_equal(np.sort(order), np.arange(size))


def test_a_part_of_the_order_is_that_part_of_the_whole():
    whole = permuted(np.arange(1000), 1000, (3, 5))
    np.testing.assert_array_equal(permuted(np.arange(300, 400), 1000, (3, 5)), whole[300:400])


def test_the_order_looks_random():
    """Neighbours, epochs and seeds are uncorrelated to within four standard deviations."""
    size = 20_000
    one, two, other = (permuted(np.arange(size), size, key) for key in ((0, 0), (0, 1), (1, 0)))
    limit = 4 / np.sqrt(size)
    for a, b in ((one[:-1], one[1:]), (one, np.arange(size)), (one, two), (one, other)):
        assert abs(np.corrcoef(a, b)[0, 1]) < limit


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_choice_takes_its_share_evenly_and_depends_on_the_key(share):
    numbers = np.arange(100_000)
    taken = chosen(numbers, share, (1,))
    deviation = np.sqrt(share * (1 - share) / 100_000)
    assert abs(taken.mean() - share) < 4 * deviation
    assert abs(np.corrcoef(taken[:-1], taken[1:])[0, 1]) < 4 / np.sqrt(100_000)
    np.testing.assert_array_equal(chosen(numbers[500:600], share, (1,)), taken[500:600])
    assert not np.array_equal(chosen(numbers, share, (2,)), taken)


def test_a_choice_of_none_and_of_all():
    assert not chosen(np.arange(1000), 0.0, (1,)).any()
    assert chosen(np.arange(1000), 1.0, (1,)).all()
