"""Which commands can be used now: the others are shown greyed."""

from __future__ import annotations

from dinr_studio.ui.studio import Studio

NEED_A_VOLUME = (
    "close", "picture", "plot", "copy", "auto-contrast", "show-data", "show-field", "show-residual", "show-wipe",
    "fit-view", "zoom-in", "zoom-out",
)  # fmt: skip
NEED_THREE_AXES = ("movie", "enlarge")
NEED_A_FIT = ("pause", "done", "discard")


def possible_commands(studio: Studio, *, deep: bool, session: bool) -> dict[str, bool]:
    """By name, whether a command makes sense; those that always do are left out.

    deep: whether the open volume has three axes in space. session: whether there is an earlier session to restore.
    """
    opened, running, field = studio.volume is not None, studio.fit.running, studio.field is not None
    run = studio.run
    resumable = run is not None and run.state is not None and not run.finished
    return {
        **dict.fromkeys(NEED_A_VOLUME, opened),
        **dict.fromkeys(NEED_THREE_AXES, deep),
        **dict.fromkeys(NEED_A_FIT, running and not studio.fit.ending),
        "restore": session and not running,
        "mask": studio.takes_mask,
        "settings-reset": opened and not running,
        "play": studio.time_axis is not None,
        "fit": opened and not running,
        "resume": opened and resumable and not running,
        "best": running,
        "look": field and not running,
        "report": not running,
        "export": field,
        "mesh": field and deep,
    }
