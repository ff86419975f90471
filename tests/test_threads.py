import threading

import pytest
import torch

from dinr_studio.threads import one_thread, side_by_side, usable_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_works_side_by_side_meet_while_they_run(two_threads):
    meeting = threading.Barrier(3, timeout=30)  # nobody passes it unless all three run at once

    def work(number):
        meeting.wait()
        return number, threading.get_ident(), torch.get_num_threads()

    found = side_by_side([lambda number=number: work(number) for number in range(3)])
    assert [number for number, _, _ in found] == [0, 1, 2]
    assert len({thread for _, thread, _ in found}) == 3
    assert found[0][1] == threading.get_ident()
    assert [threads for _, _, threads in found] == [1, 1, 1]
    assert torch.get_num_threads() == 2


def test_the_first_error_comes_when_all_works_have_ended():
    ended = threading.Event()

    def slow():
        ended.wait(0.2)
        ended.set()
        raise ValueError("later")

    def fails():
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        side_by_side([fails, slow])
    assert ended.is_set()


def test_one_thread_gives_back_what_it_took(two_threads):
    assert usable_threads() == 2
    with one_thread():
        assert usable_threads() == 1
    assert usable_threads() == 2
