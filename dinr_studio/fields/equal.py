"""Fields of other families with as many parameters: what a comparison at equal parameters needs."""

from __future__ import annotations

from dinr_studio.config import FieldConfig, changed
from dinr_studio.fields.build import parameter_count

TOLERANCE = 0.02  # share of the parameters by which a match may miss
WIDEST = 4096
DEPTHS = (0, 1, -1, 2, -2, 3, -3)  # tried in turn, added to the usual depth, until some width matches


def static_twin(config: FieldConfig, axes: int, channels: int) -> FieldConfig:
    """The same field without dynamics, of as many parameters within TOLERANCE where that is possible.

    Its family, embedding and frequencies are the same; its width is adjusted, and its depth only where no width of the
    usual depth comes near enough. A static field is its own twin.
    """
    if not config.family.startswith("dinr-"):
        return config
    target = parameter_count(config, axes, channels)
    plain = changed(config, family=config.family.removeprefix("dinr-"))
    name = "layers" if plain.family == "siren" else "blocks"
    usual = getattr(plain, name)
    found: list[tuple[float, int, FieldConfig]] = []
    for more in DEPTHS:
        if usual + more < 2:
            continue
        twin = with_parameters(changed(plain, **{name: usual + more}), axes, channels, target)
        miss = abs(parameter_count(twin, axes, channels) / target - 1)
        found.append((miss, len(found), twin))
        if miss <= TOLERANCE:
            return twin
    return min(found)[2]


def with_parameters(config: FieldConfig, axes: int, channels: int, target: int) -> FieldConfig:
    """The field with the width that brings its number of parameters nearest to a target."""
    low, high = 1, WIDEST
    while low < high:
        middle = (low + high) // 2
        if parameter_count(changed(config, width=middle), axes, channels) < target:
            low = middle + 1
        else:
            high = middle
    near = [changed(config, width=width) for width in (low - 1, low) if width >= 1]
    return min(near, key=lambda one: abs(parameter_count(one, axes, channels) - target))
