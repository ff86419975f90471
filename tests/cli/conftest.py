"""What tests of the shell share."""

import pytest

from dinr_studio.__main__ import main


@pytest.fixture
def shell(capfd):
    """Runs a command; returns its exit status, standard output and standard error."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capfd.readouterr()

    return run
