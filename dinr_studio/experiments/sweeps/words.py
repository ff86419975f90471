"""A sweep's plan as the words of a command, and back from what is typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dinr_studio.config import VALUE_WORDS, value_from
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.repeat import opening
from dinr_studio.experiments.sweeps.plan import Axis, SweepPlan


def axis_from(text: str) -> Axis:
    """NAME=VALUE,VALUE,... as an axis."""
    name, equals, listed = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ConfigError(f"{text!r} names nothing to vary; write a setting and its values, as steps=1,5,10,20.")
    return Axis(name.strip(), tuple(value_from(part.strip()) for part in listed.split(",") if part.strip()))


def settings_from(text: str) -> dict[str, Any]:
    """NAME=VALUE, NAME=VALUE, ... as settings."""
    found = {}
    for part in (part.strip() for part in text.split(",")):
        name, equals, value = part.partition("=")
        if part and not (equals and name.strip().isidentifier() and value.strip()):
            raise ConfigError(f"{part!r} sets nothing; write settings as width=32, batch=4096.")
        if part:
            found[name.strip()] = value_from(value.strip())
    return found


def written(value: Any) -> str:
    """A value so that `value_from` gives the same."""
    return next((word for word, known in VALUE_WORDS.items() if value is known), str(value))


def settings_written(settings: Mapping[str, Any]) -> str:
    """Settings so that `settings_from` gives the same."""
    return ", ".join(f"{name}={written(value)}" for name, value in settings.items())


def words_of(plan: SweepPlan, folder: Path | str) -> list[str]:
    """What follows `dinr-studio sweep` to make the plan in a folder."""
    words = [*opening(plan.file, plan.open_options).words[1:]] if plan.file else []
    words += ["-o", str(folder)]
    words += ["--recipe", plan.recipe] if plan.recipe else []
    for axis in plan.axes:
        words += ["--vary", f"{axis.name}={','.join(written(value) for value in axis.values)}"]
    for name, value in plan.changes.items():
        words += ["--set", f"{name}={written(value)}"]
    words += ["--equal", ",".join(plan.terms), "--preset", plan.preset]
    words += [] if plan.seconds is None else ["--seconds", f"{plan.seconds:f}".rstrip("0").rstrip(".") + "s"]
    return words + (["--measure", ",".join(plan.measures)] if plan.measures else [])
