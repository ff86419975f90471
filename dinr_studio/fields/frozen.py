"""A trained field's values as fast as they come: the same function, without what only training needs.

What is left out or folded, none of which changes a value beyond rounding:

- a LayerNorm's gain and shift and a sine layer's omega are part of the weights;
- residual sums and the integrator's sums are made by the matrix products themselves;
- the projection's bias adds up to t times itself in the latent state at time t, so it is added where the state is read;
- the last velocity goes straight to the decoder: projection and decoder (and, in ffnet fields, the last block's last
  layer) are one matrix of `channels` columns, which saves two products of the last step;
- the kinetic energy is not computed, and batches are cut into tiles whose activations stay in the cache.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm

from dinr_studio.fields.blended import BlendedField
from dinr_studio.fields.dinr import DinrField
from dinr_studio.fields.layers import GeluBlock, SineBlock, SineLayer
from dinr_studio.fields.static import StaticField
from dinr_studio.fields.stopped import StoppedField
from dinr_studio.fields.vector_fields import ResidualVectorField

Evaluate = Callable[[Tensor], Tensor]

TILE_VALUES = 3 << 16  # of one activation, for each thread (0.75 MiB): measured best for widths 64 to 256
ACCELERATOR_TILE = 1 << 16  # coordinates at once where not a processor computes

# Stages (c, b) of the integrators: where in the step the velocity is taken, each from the one before, and its weight.
STAGES: dict[str, tuple[tuple[float, float], ...]] = {
    "euler": ((0.0, 1.0),),
    "midpoint": ((0.0, 0.0), (0.5, 1.0)),
    "rk4": ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)),
}


def freeze(field: nn.Module, precision: str | None = None) -> Evaluate:
    """A function of coordinates (N, axes), float32, to normalised values (N, channels), float32, equal to the field's.

    precision: "fp32" or "bf16" (only the products of the vector field or of the static body in 16 bits), by default the
    field's own. The function is a snapshot: later changes of the field's weights do not reach it. It gives no
    gradients, keeps no state between calls, and may be called by several threads at once. Dropout is off in it.
    A field of a kind unknown here, one with an adaptive integrator and one not in 32 bits are returned as they are.
    A blended field's blocks are frozen one by one as they are first needed.
    """
    if isinstance(field, BlendedField):
        of = cache(lambda number: freeze(field.blocks[number], precision))
        return torch.no_grad()(lambda x: field.blend(x, of))
    whole: nn.Module = field.field if type(field) is StoppedField else field
    if not isinstance(whole, DinrField | StaticField) or type(whole) not in (DinrField, StaticField):
        return field
    if whole.decoder.weight.dtype != torch.float32:
        return field
    dtype = torch.bfloat16 if (precision or whole.precision) == "bf16" else torch.float32
    form = _Form(dtype, whole.decoder.weight.device)
    if isinstance(whole, StaticField):
        layers = _frozen_static(whole, form)
    else:
        layers = _frozen_dynamics(whole, form, field.time if type(field) is StoppedField else None)
    return field if layers is None else FrozenField(whole, layers)


class FrozenField:
    """Coordinates (N, axes) -> normalised values (N, channels), tile by tile; made by `freeze`."""

    def __init__(self, field: DinrField | StaticField, layers: Evaluate) -> None:
        self._embedding = copy.deepcopy(field.embedding).requires_grad_(False)
        self._layers, self._width, self._channels = layers, field.config.width, field.decoder.out_features

    def tile(self, device: torch.device) -> int:
        """Coordinates that go through the layers at once."""
        if device.type != "cpu":
            return ACCELERATOR_TILE
        return max(1, TILE_VALUES // self._width) * torch.get_num_threads()

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Values at coordinates."""
        values = x.new_empty(len(x), self._channels)
        tiles = -(-len(x) // self.tile(x.device))
        size = -(-len(x) // max(1, tiles))  # all about equal: a small remnant would be slow
        for start in range(0, len(x), max(1, size)):
            values[start : start + size] = self._layers(self._embedding(x[start : start + size]))
        return values


class _Affine(NamedTuple):
    """Y = x weight + bias: weight (inputs, outputs), bias (outputs,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)


class _Form(NamedTuple):
    """What the layers compute in, and where."""

    dtype: torch.dtype
    device: torch.device


class _Head(NamedTuple):
    """A linear map of what a body ends in: one matrix for each term, (width, outputs), and a bias (outputs,)."""

    weights: tuple[Tensor, ...]
    bias: Tensor

    def to(self, form: _Form) -> _Head:
        """The head as it computes; its bias stays in 32 bits."""
        weights = tuple(_cast(weight, form) for weight in self.weights)
        return _Head(weights, _cast(self.bias, form._replace(dtype=torch.float32)))


class _Body(Protocol):
    """Layers between embedding (or state) and the linear map that follows."""

    def terms(self, h: Tensor) -> tuple[Tensor, ...]:
        """What the layers end in, as terms that a head takes, from h (batch, width), which is overwritten."""

    def head(self, weight: Tensor, bias: Tensor) -> _Head:
        """The head, in float64, that equals these layers' end and a linear layer (outputs, width) after them."""


@dataclass(frozen=True)
class _GeluBlocks:
    """Residual blocks x + second(gelu(first(norm(x)))); the last one's `second` is left to the head."""

    firsts: list[_Affine]
    seconds: list[_Affine]  # of all but the last block
    last: _Affine  # the last block's second, not folded: weight (outputs, inputs), float64
    eps: float
    unit: _Affine  # ones and zeros: without them torch normalises by a path that is half as fast

    def terms(self, h: Tensor) -> tuple[Tensor, ...]:
        for first, second in zip(self.firsts[:-1], self.seconds, strict=True):
            _add_product(h, self._inner(h, first), second)
        return h, self._inner(h, self.firsts[-1])

    def head(self, weight: Tensor, bias: Tensor) -> _Head:
        return _Head((weight.T, (weight @ self.last.weight).T), bias + weight @ self.last.bias)

    def _inner(self, h: Tensor, first: _Affine) -> Tensor:
        normalised = layer_norm(h, h.shape[1:], self.unit.weight, self.unit.bias, self.eps)
        return gelu(first(normalised.to(first.weight.dtype)))

    @classmethod
    def of(cls, blocks: Sequence[GeluBlock], form: _Form) -> _GeluBlocks:
        firsts = []
        for block in blocks:
            first, norm = _exact(block.first), _exact(block.norm)
            firsts.append(_affine(first.weight * norm.weight, first.bias + first.weight @ norm.bias, form))
        seconds = [_affine(*_exact(block.second), form) for block in blocks[:-1]]
        ones = torch.ones(blocks[0].first.in_features, device=form.device)
        unit = _Affine(ones, torch.zeros_like(ones))
        return cls(firsts, seconds, _exact(blocks[-1].second), blocks[0].norm.eps, unit)


@dataclass(frozen=True)
class _SineBlocks:
    """Residual blocks x + sin(second(sin(first(x))))."""

    layers: list[tuple[_Affine, _Affine]]

    def terms(self, h: Tensor) -> tuple[Tensor, ...]:
        for first, second in self.layers:
            h += second(first(h.to(first.weight.dtype)).sin_()).sin_()
        return (h,)

    def head(self, weight: Tensor, bias: Tensor) -> _Head:
        return _Head((weight.T,), bias)

    @classmethod
    def of(cls, blocks: Sequence[SineBlock], form: _Form) -> _SineBlocks:
        return cls([(_sine_affine(block.first, form), _sine_affine(block.second, form)) for block in blocks])


@dataclass(frozen=True)
class _SineLayers:
    """Sine layers one after the other."""

    layers: list[_Affine]

    def terms(self, h: Tensor) -> tuple[Tensor, ...]:
        h = h.to(self.layers[0].weight.dtype)
        for layer in self.layers:
            h = layer(h).sin_()
        return (h,)

    def head(self, weight: Tensor, bias: Tensor) -> _Head:
        return _Head((weight.T,), bias)

    @classmethod
    def of(cls, layers: Sequence[SineLayer], form: _Form) -> _SineLayers:
        return cls([_sine_affine(layer, form) for layer in layers])


BODIES: dict[type[nn.Module], Callable[..., _Body]] = {
    GeluBlock: _GeluBlocks.of,
    SineBlock: _SineBlocks.of,
    SineLayer: _SineLayers.of,
}


@dataclass(frozen=True)
class _Dynamics:
    """First state (batch, width) -> values (batch, channels), in fixed steps (start, length) of latent time.

    The state is kept without the projection's bias, which has added up to t times itself by the latent time t.
    """

    body: _Body
    steps: list[tuple[float, float]]
    stages: tuple[tuple[float, float], ...]
    projection: _Head
    decoding: _Head  # of the last velocity
    decoder: _Affine  # its bias holds what the projection's has added up to
    dtype: torch.dtype

    def __call__(self, z: Tensor) -> Tensor:
        if not self.steps:
            return self.decoder(z)
        h = z.new_empty(len(z), z.shape[1] + 1)
        weight = self.stages[-1][1]
        for time, length in self.steps[:-1]:
            z, terms = self._step(h, z, time, length)
            self._add_velocity(z, terms, weight * length)
        time, length = self.steps[-1]
        z, terms = self._step(h, z, time, length)
        return _add(self.decoder(z), tuple(term.float() for term in terms), self.decoding, weight * length)

    def _step(self, h: Tensor, z: Tensor, time: float, length: float) -> tuple[Tensor, tuple[Tensor, ...]]:
        """A step but for its last velocity: the state that this is to be added to, and the terms it is made of."""
        if len(self.stages) == 1:
            return z, self._terms(h, z, time)
        total, start = z.clone(), z
        for (at, weight), (then, _) in pairwise(self.stages):
            velocity = torch.zeros_like(z)
            self._add_velocity(velocity, self._terms(h, start, time + at * length), 1.0)
            total.add_(velocity, alpha=weight * length)
            start = torch.add(z, velocity, alpha=then * length)
        return total, self._terms(h, start, time + self.stages[-1][0] * length)

    def _terms(self, h: Tensor, z: Tensor, time: float) -> tuple[Tensor, ...]:
        """What the velocity at a state and a time is made of; h (batch, width + 1) is where it is made."""
        h[:, :-1] = z + time * self.projection.bias
        h[:, -1] = time
        return self.body.terms(h)

    def _add_velocity(self, z: Tensor, terms: tuple[Tensor, ...], scale: float) -> None:
        if self.dtype == z.dtype:
            _add(z, terms, self.projection, scale)
        else:
            velocity = torch.mm(terms[0].to(self.dtype), self.projection.weights[0])
            for term, weight in zip(terms[1:], self.projection.weights[1:], strict=True):
                torch.addmm(velocity, term, weight, out=velocity)
            z.add_(velocity, alpha=scale)


def _frozen_dynamics(field: DinrField, form: _Form, until: float | None) -> Evaluate | None:
    config, inner = field.config, field.vector_field
    body = _body(inner.blocks, form) if type(inner) is ResidualVectorField else None
    if body is None or config.integrator not in STAGES:
        return None
    end = config.horizon if until is None else min(max(until, 0.0), config.horizon)
    dt = config.horizon / field.steps
    steps = [(k * dt, dt if until is None else min(dt, end - k * dt)) for k in range(field.steps)]
    projection, decoder, full = _exact(inner.projection), _exact(field.decoder), form._replace(dtype=torch.float32)
    velocity = body.head(projection.weight, projection.bias)
    return _Dynamics(
        body,
        [(time, length) for time, length in steps if length > 0],
        STAGES[config.integrator],
        velocity.to(form),
        body.head(decoder.weight @ projection.weight, decoder.bias).to(full),
        _affine(decoder.weight, decoder.bias + end * decoder.weight @ velocity.bias, full),
        form.dtype,
    )


@dataclass(frozen=True)
class _Stack:
    """Embedding (batch, width) -> values (batch, channels), through a static body."""

    body: _Body
    decoding: _Head

    def __call__(self, h: Tensor) -> Tensor:
        terms = tuple(term.float() for term in self.body.terms(h))
        return _add(self.decoding.bias.repeat(len(h), 1), terms, self.decoding, 1.0)


def _frozen_static(field: StaticField, form: _Form) -> Evaluate | None:
    body = _body(field.body, form)
    if body is None:
        return None
    head = body.head(*_exact(field.decoder))
    return _Stack(body, head.to(form._replace(dtype=torch.float32)))


def _body(layers: Iterable[nn.Module], form: _Form) -> _Body | None:
    """The frozen form of layers of one kind; None where they are of none that is known, or there are none."""
    found = list(layers)
    kinds = {type(layer) for layer in found}
    return BODIES[type(found[0])](found, form) if len(kinds) == 1 and kinds <= BODIES.keys() else None


def _add(target: Tensor, terms: tuple[Tensor, ...], head: _Head, scale: float) -> Tensor:
    """Adds scale times what a head makes of terms, without its bias, to the target, in place."""
    for term, weight in zip(terms, head.weights, strict=True):
        torch.addmm(target, term, weight, alpha=scale, out=target)
    return target


def _add_product(h: Tensor, inner: Tensor, layer: _Affine) -> None:
    """Adds what a layer makes of `inner` to h, in place."""
    if inner.dtype == h.dtype:
        h += layer.bias
        torch.addmm(h, inner, layer.weight, out=h)
    else:
        h += layer(inner)


def _exact(layer: nn.Linear | nn.LayerNorm) -> _Affine:
    """A layer's own weight, (outputs, inputs) of a linear one, and bias in float64, where folding loses nothing."""
    return _Affine(layer.weight.detach().cpu().double(), layer.bias.detach().cpu().double())


def _affine(weight: Tensor, bias: Tensor, form: _Form) -> _Affine:
    """The product of a linear layer's weight (outputs, inputs) and bias, as it computes."""
    return _Affine(_cast(weight.T, form), _cast(bias, form))


def _sine_affine(layer: SineLayer, form: _Form) -> _Affine:
    linear = _exact(layer.linear)
    return _affine(layer.omega * linear.weight, layer.omega * linear.bias, form)


def _cast(tensor: Tensor, form: _Form) -> Tensor:
    return tensor.to(form.dtype).contiguous().to(form.device)
