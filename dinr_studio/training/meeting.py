"""How the processes that torchrun starts find each other, the first time and after each restart.

torchrun's store outlives the processes, and so do the addresses that they leave in it: whoever starts again must not
take them for those of the others. Restart counts can't tell them apart, since each machine keeps its own.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from typing import Any

import torch.distributed

POLL_SECONDS = 0.02
PREFIX = "dinr-studio"

Store = Any  # one of torch.distributed's, whose types it does not declare
stores: Any = torch.distributed


def shared_store(patience: timedelta) -> Store:
    """The store of torchrun's agent, which all processes of its job reach."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return stores.TCPStore(address, port, is_master=False, timeout=patience)


def store_outlives_processes() -> bool:
    """Whether torchrun keeps one store through all restarts; else each start makes its own."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == str(True)


def met(store: Store, rank: int, size: int, patience: timedelta) -> Store:
    """A part of a store that is empty, the same one for all processes that are here now.

    Each process greets with a word of its own, which the first one answers with the name of a fresh part, until it
    hears from all of them in there; greetings left by processes that are gone are answered too, in vain. Raises
    RuntimeError where some do not come.
    """
    shared = stores.PrefixStore(PREFIX, store)
    if rank:
        word = uuid.uuid4().hex
        shared.set(f"greeting/{rank}", word)
        part = stores.PrefixStore(shared.get(f"answer/{word}").decode(), shared)
        part.set(f"here/{rank}", "")
        return part
    name = uuid.uuid4().hex
    part = stores.PrefixStore(name, shared)
    missing, answered = set(range(1, size)), dict[int, bytes]()
    give_up = time.monotonic() + patience.total_seconds()
    while missing:
        for other in missing:
            word_of_other = shared.get(f"greeting/{other}") if shared.check([f"greeting/{other}"]) else None
            if word_of_other is not None and word_of_other != answered.get(other):
                answered[other] = word_of_other
                shared.set(f"answer/{word_of_other.decode()}", name)
        missing = {other for other in missing if not part.check([f"here/{other}"])}
        if time.monotonic() > give_up:
            raise RuntimeError(f"process {min(missing)} did not come")
        time.sleep(POLL_SECONDS)
    return part


def started_before(store: Store) -> bool:
    """Whether another leader asked this of the store before; each asks once."""
    return bool(stores.PrefixStore(PREFIX, store).add("starts", 1) > 1)
