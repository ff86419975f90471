"""The seeds that damage is done to; see seeds.py."""

import driver
import pytest


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Small valid files of every format, by name."""
    return driver.made(tmp_path_factory.mktemp("seeds"))
