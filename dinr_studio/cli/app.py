"""The command `dinr-studio`: its commands, and how errors end."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dinr_studio import __version__
from dinr_studio.cli.belief_commands import BELIEF
from dinr_studio.cli.commands import benchmark, export, fit, info, mesh, sample, score, slice_
from dinr_studio.cli.compression_commands import compress, rate_distortion
from dinr_studio.cli.inside import jacobians, ntk, trajectories
from dinr_studio.cli.report_commands import compare, report
from dinr_studio.cli.sweep_command import sweep
from dinr_studio.cli.team import SHARED, follows
from dinr_studio.errors import DinrError

DONE, USER_ERROR, INTERRUPTED = 0, 2, 130
INTERRUPTED_SENTENCE = "dinr-studio: interrupted."

app = typer.Typer(
    help="Turns scientific volumes into continuous neural fields: fit, judge, look, export. "
    "Without a command, or with nothing but a file, it opens the window.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("info")(info)
app.command("fit")(fit)
app.command("export")(export)
app.command("mesh")(mesh)
app.command("score")(score)
app.command("slice")(slice_)
for name, command in BELIEF.items():
    app.command(name)(command)
app.command("ntk")(ntk)
app.command("jacobians")(jacobians)
app.command("trajectories")(trajectories)
app.command("compare")(compare)
app.command("report")(report)
app.command("compress")(compress)
app.command("rate-distortion")(rate_distortion)
app.command("sample")(sample)
app.command("benchmark")(benchmark)
app.command("sweep")(sweep)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"DINR Studio {__version__}")
        raise typer.Exit


def is_command(word: str) -> bool:
    """Whether a word names one of the commands."""
    return any(word == command.name for command in app.registered_commands)


def run(arguments: list[str]) -> int:
    """Runs one command; returns 0, 2 after a mistake of the user's (one sentence), or 130 where interrupted.

    Of the processes that torchrun starts the first one alone runs what they can't share.
    """
    if follows() and arguments[:1] not in ([command] for command in SHARED):
        return DONE
    try:
        status = app(arguments, prog_name="dinr-studio", standalone_mode=False)
    except DinrError as error:
        print(f"dinr-studio: {error}", file=sys.stderr)
        return USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        print(INTERRUPTED_SENTENCE, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return DONE
    except MemoryError:
        print("dinr-studio: Memory ran out; work on a smaller part, or end other programs.", file=sys.stderr)
        return USER_ERROR
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # a usage error of typer's or click's
            sentence = str(error.format_message()).strip()
            end = "" if sentence.endswith((".", "?")) else "."
            print(f"dinr-studio: {sentence}{end} Try dinr-studio --help.", file=sys.stderr)
            return USER_ERROR
        raise
    if status == INTERRUPTED:  # typer has made Ctrl-C a status already
        print(INTERRUPTED_SENTENCE, file=sys.stderr)
    return status if isinstance(status, int) else DONE
