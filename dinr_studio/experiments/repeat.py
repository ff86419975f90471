"""What was done, as the shell command and as the Python lines that do it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig

if TYPE_CHECKING:
    from dinr_studio.training.run import Run
    from dinr_studio.volume import Volume

PROGRAM = "dinr-studio"
IMPORT = "import dinr_studio as ds"
FAMILY = "family"
PRESETS = ("auto", "quick", "balanced", "paper", "paper-tuned")
PLAIN_PRESET = "quick"  # carries settings that all are given, where a run's own preset is none of these
OPTIONS = {
    "max_epochs": "--epochs",
    "goal_psnr": "--goal",
    "patience": "--patience",
    "held_out_share": "--holdout",
    "held_out_scheme": "--holdout-scheme",
    "embedding": "--embedding",
    "steps": "--steps",
    "kinetic_weight": "--kinetic-weight",
    "integrator": "--integrator",
    "width": "--width",
    "learning_rate": "--learning-rate",
    "precision": "--precision",
    "outliers": "--outliers",
    "device": "--device",
    "seed": "--seed",
}  # settings that `fit` has an option of its own for; the others go by --set
OPENING = {
    "dataset": "--dataset",
    "axes": "--axes",
    "voxel_size": "--voxel-size",
    "unit": "--unit",
    "fill": "--fill",
    "channel": "--channel",
    "crop": "--crop",
    "mask": "--mask",
    "position_columns": "--positions",
    "value_columns": "--values",
}
TARGET = {"factor": "--factor", "voxel_size": "--voxel-size", "shape": "--shape", "box": "--box", "times": "--times"}


@dataclass(frozen=True)
class Repeat:
    """One thing that was done. words: what follows the program's name in a shell; lines: of Python, after the import.

    lines are empty where the Python interface has no counterpart.
    """

    words: tuple[str, ...]
    lines: tuple[str, ...] = ()

    @property
    def shell(self) -> str:
        """The command, quoted for a shell; "" where there is none."""
        return shell_words(self.words) if self.words else ""

    @property
    def python(self) -> str:
        """The lines, ready to run; "" where there are none."""
        return "\n".join([IMPORT, *self.lines]) if self.lines else ""


def shell_words(words: Sequence[str]) -> str:
    """What follows the program's name, with that before it, quoted for a shell."""
    return shlex.join([PROGRAM, *words])


def together(repeats: Sequence[Repeat]) -> tuple[str, str]:
    """Several things after one another, as shell commands, one a line, and as lines of Python with one import."""
    lines = [line for repeat in repeats for line in repeat.lines]
    python = "\n".join([IMPORT, *lines]) if lines else ""
    return "\n".join(repeat.shell for repeat in repeats if repeat.words), python


def of_command(command: str) -> Repeat | None:
    """What a command of the shell, with the program's name before it, repeats; None of none."""
    words = shlex.split(command)
    return Repeat(tuple(words[1:])) if words[:1] == [PROGRAM] else None


def wrapped(words: Sequence[str], width: int = 88) -> str:
    """A command in lines of about `width` letters that a shell takes as one."""
    pairs: list[str] = []
    for word in map(shlex.quote, words):
        if pairs and pairs[-1].startswith("-") and not set(pairs[-1]) & {" ", "="} and not word.startswith("-"):
            pairs[-1] += f" {word}"  # an option and its value stay together
        else:
            pairs.append(word)
    lines, line = [], PROGRAM
    for word in pairs:
        if len(line) + 1 + len(word) > width:
            lines.append(f"{line} \\")
            line = f"    {word}"
        else:
            line = f"{line} {word}"
    return "\n".join([*lines, line])


def opening(file: str, options: Mapping[str, Any]) -> Repeat:
    """Opening a volume; options: keywords of open_volume."""
    words = ("info", _as_word(file), *_opening_words(options))
    return Repeat(words, (f"volume = ds.open_volume({_arguments(file, **_given(options))})",))


def opening_run(run_file: str) -> Repeat:
    """Opening a run file: what stands in it of its scores, and its field."""
    return Repeat(("score", _as_word(run_file)), (f"field = ds.load({run_file!r})",))


def fitting(
    file: str, output: str, options: Mapping[str, Any], config: FitConfig, base: FitConfig | None = None
) -> Repeat:
    """A fit from the beginning. base: what the preset gives of itself for this volume; see `preset_of`.

    Without a base every setting is given, since what a preset derives follows from data that is not at hand.
    """
    preset = config.preset if config.preset in PRESETS else PLAIN_PRESET
    family, changes = config.field.family, changed_settings(config, base if preset == config.preset else None)
    words = ["fit", _as_word(file), "-o", _as_word(output), "--preset", preset, "--family", family]
    words += [word for name, value in changes.items() for word in _setting_words(name, value)]
    words += _opening_words(options) + (["--stream"] if options.get("stored") else [])
    python = _arguments_by_name({FAMILY: family, **changes, "path": output})
    lines = (
        f"volume = ds.open_volume({_arguments(file, **_given(options))})",
        f"field = ds.fit(volume, {preset!r}, {python})",
    )
    return Repeat(tuple(words), lines)


def fitting_of(run: Run, output: str, volume: Volume | None = None) -> Repeat:
    """The fit that made a run; volume: its data, where that is at hand, which makes the command shorter.

    Of a run of blocks there is the command alone, and every setting is given.
    """
    if run.partition is None:
        base = None if volume is None else preset_of(run.config, volume)
        repeat = fitting(run.provenance.file, output, run.open_options, run.config, base)
        if run.provenance.file:
            return repeat
        return Repeat((), ("# volume = ds.from_array(...), of the array that it was fitted to", *repeat.lines[1:]))
    config = run.config
    limit = config.training.time_limit
    if limit is not None:  # each block's, while the command takes that of all in turn
        whole = config.training.model_copy(update={"time_limit": limit * run.partition.count})
        config = config.model_copy(update={"training": whole})
    words = fitting(run.provenance.file, output, run.open_options, config).words
    cut = ("--blocks", _numbers(run.partition.counts), "--overlap", str(max(run.partition.overlap)))
    return Repeat((*words, *cut))


def preset_of(config: FitConfig, volume: Volume) -> FitConfig | None:
    """What preset, family, embedding, device and held-out share give for a volume; None without a preset."""
    from dinr_studio.training.presets import preset_config

    if config.preset not in PRESETS:
        return None
    family, training, embedding = config.field.family, config.training, config.field.embedding
    usual = preset_config(config.preset, volume, family, training.device, embedding=embedding)
    if usual.training.held_out_share == training.held_out_share:
        return usual
    return preset_config(config.preset, volume, family, training.device, training.held_out_share, embedding)


def changed_settings(config: FitConfig, base: FitConfig | None) -> dict[str, Any]:
    """The settings by name that differ from those of a base, or all but the family where there is none.

    An embedding other than the family's own is always among them.
    """
    every = all_settings(config)
    every.pop(FAMILY)
    if base is None:
        return every
    usual = all_settings(base)
    own = "siren" if config.field.family.endswith("siren") else "fourier"
    given = {name: value for name, value in every.items() if value != usual[name]}
    return given if config.field.embedding == own else {"embedding": config.field.embedding, **given}


def all_settings(config: FitConfig) -> dict[str, Any]:
    """Every setting of field and training by its name."""
    return {**dict(config.field), **dict(config.training)}


def description_of(setting: str) -> str:
    """What a setting is, in a sentence."""
    fields = {**FieldConfig.model_fields, **TrainingConfig.model_fields}
    return fields[setting].description or ""


def resuming(run_file: str, data_file: str) -> Repeat:
    """Going on with a run."""
    words = ("fit", _as_word(data_file), "-o", _as_word(run_file), "--resume")
    return Repeat(words, (f"field = ds.resume({run_file!r})",))


def exporting(run_file: str, output: str, target: Mapping[str, Any], options: Mapping[str, Any]) -> Repeat:
    """Writing a field on a grid. target: keywords of target_grid. options: dtype, compression, stack."""
    given = {name: value for name, value in target.items() if value is not None}
    words = ["export", _as_word(run_file), "-o", _as_word(output), *_target_words(given)]
    kept: dict[str, Any] = {}
    if options.get("dtype", "float32") != "float32":
        kept["dtype"] = options["dtype"]
    if options.get("compression"):
        kept["compression"] = options["compression"]
    words += [word for name, value in kept.items() for word in (f"--{name}", str(value))]
    if options.get("stack"):
        return Repeat((*words, "--stack"))
    return Repeat(tuple(words), (f"ds.load({run_file!r}).export({_arguments(output, **given, **kept)})",))


def meshing(
    run_file: str, output: str, target: Mapping[str, Any], *, level: float, channel: int = 0, frame: int | None = None
) -> Repeat:
    """Writing an isosurface."""
    given = {name: value for name, value in target.items() if value is not None}
    words = ["mesh", _as_word(run_file), "-o", _as_word(output), f"--level={level!r}", *_target_words(given)]
    words += ["--channel", str(channel)] if channel else []
    words += [] if frame is None else ["--frame", str(frame)]
    return Repeat(tuple(words))


def slicing(run_file: str, output: str, *, axis: str | None, index: int | None, channel: int = 0) -> Repeat:
    """A picture of data, field and residual on one slice."""
    words = ["slice", _as_word(run_file), "-o", _as_word(output)]
    words += [] if axis is None else ["--axis", axis]
    words += [] if index is None else ["--index", str(index)]
    return Repeat((*words, *(["--channel", str(channel)] if channel else [])))


def comparing(run_files: Sequence[str]) -> Repeat:
    """Runs beside each other."""
    return Repeat(("compare", *map(_as_word, run_files)))


def reporting(run_files: Sequence[str], output: str) -> Repeat:
    """A report on runs."""
    return Repeat(("report", *map(_as_word, run_files), "-o", _as_word(output)))


def ensembling(
    file: str, folder: str, members: int, options: Mapping[str, Any], config: FitConfig, base: FitConfig | None
) -> Repeat:
    """An ensemble of fits; base: as in `fitting`."""
    words = ("ensemble", _as_word(file), "-o", _as_word(folder), "--members", str(members))
    return Repeat((*words, *_asked_words(config, base), *_opening_words(options)))


def twinning(
    files: tuple[str, str | None],
    folder: str,
    mask: str,
    options: Mapping[str, Any],
    config: FitConfig,
    base: FitConfig | None,
) -> Repeat:
    """A twin fit of two half maps, or of a volume that is split (no second file); base: as in `fitting`."""
    second = ["--split"] if files[1] is None else [_as_word(files[1])]
    masked = [] if mask == "none" else ["--mask", mask]
    words = ("twin-fit", _as_word(files[0]), *second, "-o", _as_word(folder), *masked)
    return Repeat((*words, *_asked_words(config, base), *_opening_words(options)))


def _asked_words(config: FitConfig, base: FitConfig | None) -> list[str]:
    """Settings of several fits: the preset, the family, and what differs."""
    words = ["--preset", config.preset, "--family", config.field.family]
    for name, value in changed_settings(config, base).items():
        words += ["--set", f"{name}={_setting_value(value)}"]
    return words


def _setting_value(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else _exact(value)


def _setting_words(name: str, value: Any) -> list[str]:
    """An option that sets a setting so that parsing gives the very same value."""
    if name == "time_limit" and value is not None and "e" not in repr(value):
        return ["--time-limit", f"{value!r}s"]
    if value is None or name not in OPTIONS:
        return ["--set", f"{name}={_setting_value(value)}"]
    return [OPTIONS[name], _exact(value)]


def _exact(value: Any) -> str:
    if isinstance(value, tuple):
        return _numbers(value)
    return repr(float(value)) if isinstance(value, float) else str(value)


def _opening_words(options: Mapping[str, Any]) -> list[str]:
    words = []
    for name, option in OPENING.items():
        value = options.get(name)
        if value is None:
            continue
        if name == "crop":
            value = ",".join(f"{start}:{stop}" for start, stop in value)
        elif name == "voxel_size":
            value = _numbers(value)
        words.append(f"{option}={_exact(value)}")
    return words


def _target_words(target: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in target.items():
        if name == "box":
            value = ",".join(f"{float(start)!r}:{float(stop)!r}" for start, stop in value)
        elif name != "times":
            value = _numbers(value)
        words.append(f"{TARGET[name]}={value}")
    return words


def _numbers(values: Sequence[float]) -> str:
    return ",".join(repr(value.item() if hasattr(value, "item") else value) for value in values)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _as_word(file: str) -> str:
    """A file's name as an argument that is not taken for an option."""
    return f"./{file}" if file.startswith("-") else file


def _arguments(first: str, **named: Any) -> str:
    return ", ".join([repr(first), *([_arguments_by_name(named)] if named else [])])


def _arguments_by_name(named: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_literal(value)}" for name, value in named.items())


def _literal(value: Any) -> str:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f"float({str(value)!r})"
    return repr(list(value) if isinstance(value, tuple) else value)
