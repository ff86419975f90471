"""Every command of the window in one table: its name, menu, shortcut, icon and what it does in a line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """menu: where it stands; separator: a line before it; checkable: it switches something on and off."""

    name: str
    menu: str
    text: str
    tip: str
    shortcut: str = ""
    icon: str = ""
    separator: bool = False
    checkable: bool = False


COMMANDS = (
    Command("open", "File", "&Open …", "Open a volume or a run file", "Ctrl+O", "open"),
    Command("open-folder", "File", "Open &folder …", "Open a DICOM series, numbered files or a Zarr store", "Ctrl+Shift+O"),
    Command("restore", "File", "&Restore last session", "Open the last session's file with its settings again"),
    Command("mask", "File", "Use a mas&k …", "Leave out voxels that are 0 in a second file on the same grid"),
    Command("close", "File", "&Close volume", "Back to the welcome page", "Ctrl+W"),
    Command("export", "File", "&Export field …", "Write the field on any grid", "Ctrl+E", "export", separator=True),
    Command("mesh", "File", "Export &isosurface …", "Write an isosurface of the field as a mesh", "Ctrl+Shift+E", "mesh"),
    Command("picture", "File", "Save &picture …", "Save the slices and the volume as PNG at 1 to 4 times the screen", "Ctrl+P", "camera"),
    Command("plot", "File", "Save p&lot …", "Save the plot in front as SVG, PDF or PNG", "Ctrl+Shift+S"),
    Command("copy", "File", "Copy picture", "Copy the slices and the volume to the clipboard", "Ctrl+Shift+C"),
    Command("movie", "File", "Turntable &movie …", "Save a turn around the volume as GIF or as a series of PNG", "", "movie"),
    Command("quit", "File", "&Quit", "Close the program", "Ctrl+Q", separator=True),
    Command("undo", "Edit", "&Undo", "Take back the last edit", "Ctrl+Z"),
    Command("redo", "Edit", "&Redo", "Do again what was taken back", "Ctrl+Shift+Z"),
    Command("auto-contrast", "Edit", "&Auto contrast", "Contrast from percentiles of the values", "Ctrl+L", separator=True),
    Command("settings-reset", "Edit", "Settings of the preset", "Forget settings changed by hand"),
    Command("show-data", "View", "Show &data", "All slices show the data", "1"),
    Command("show-field", "View", "Show &field", "All slices show the field", "2"),
    Command("show-residual", "View", "Show &residual", "All slices show field less data", "3"),
    Command("show-wipe", "View", "Show &wipe", "All slices show data left and field right of a line", "4"),
    Command("fit-view", "View", "&Whole slices", "Zoom out to the whole slices", "Ctrl+0", "fit-view", separator=True),
    Command("zoom-in", "View", "Zoom &in", "Zoom in about the crosshair", "Ctrl++"),
    Command("zoom-out", "View", "Zoom &out", "Zoom out about the crosshair", "Ctrl+-"),
    Command("enlarge", "View", "&Enlarge pane", "The pane with the focus alone, or all panes again", "F", "enlarge"),
    Command("play", "View", "&Play frames", "Play a volume with time", "Space"),
    Command("best", "View", "Show &best weights", "During a fit: the best held-out weights so far, not the latest", "B", separator=True, checkable=True),
    Command("fit", "Fit", "&Fit", "Fit a field with the settings on the right", "F5", "fit"),
    Command("pause", "Fit", "&Pause", "Pause or resume the fit", "F6", "pause"),
    Command("done", "Fit", "&Done (stop and keep)", "End the fit now: it is judged and kept", "F7", "done"),
    Command("discard", "Fit", "Dis&card", "End the fit and throw it away", "F8", "discard"),
    Command("resume", "Fit", "&Go on with this run", "Resume the open run where it stopped", "F9", separator=True),
    Command("look", "Analyse", "&Look at the field now", "Kernel, spectrum and trajectory of the present field", "Ctrl+K"),
    Command("analyse-compare", "Analyse", "&Compare runs …", "Runs beside each other: settings, scores, curves, and what their fields differ by", separator=True),
    Command("report", "Analyse", "Repor&t …", "Write up the open run, or those selected under Runs, as HTML or PDF"),
    Command("tab-loss", "Analyse", "L&oss", "Losses and learning rate", "Ctrl+1", separator=True),
    Command("tab-held-out", "Analyse", "&Held-out score", "The field against interpolation", "Ctrl+2"),
    Command("tab-kernel", "Analyse", "&NTK", "The neural tangent kernel", "Ctrl+3"),
    Command("tab-spectrum", "Analyse", "&Spectrum", "Power by frequency", "Ctrl+4"),
    Command("tab-trajectory", "Analyse", "&Trajectory", "Latent trajectory and latent time", "Ctrl+5"),
    Command("tab-runs", "Analyse", "&Runs", "All runs", "Ctrl+6"),
    Command("tab-log", "Analyse", "Lo&g", "What the program did", "Ctrl+7"),
    Command("analyse-kernel", "Analyse", "Neural tangent &kernel …", "Spectrum, ranks and eigenfunctions of the field's kernel, beside its static twin's", separator=True),
    Command("analyse-spectra", "Analyse", "&Power spectra …", "Data, field and residual by frequency, and what a finer grid adds", separator=True),
    Command("analyse-fsc", "Analyse", "&Fourier shell correlation …", "Up to which resolution two maps agree, by direction and place, too"),
    Command("analyse-twin", "Analyse", "Tw&in fit …", "Fit two half maps independently and see up to where the fields agree"),
    Command("analyse-uncertainty", "Analyse", "&Uncertainty …", "Standard deviations by the last layer or an ensemble, and whether they hold"),
    Command("analyse-structure", "Analyse", "Str&ucture scores …", "Similarity, gradients and histograms by region and by frequency"),
    Command("analyse-sweep", "Analyse", "S&weep …", "Fit the data again and again with other settings, and see what they are worth"),
    Command("analyse-dynamics", "Analyse", "Latent d&ynamics …", "Alignment of Jacobians, trajectories, and where the dynamics work hardest"),
    Command("analyse-derivatives", "Analyse", "&Derivatives …", "Gradients, Laplacian, vorticity and the like in physical units"),
    Command("analyse-compression", "Analyse", "&Compression …", "The field in few bits against codecs, and its small file"),
    Command("theme", "Window", "Switch &light and dark", "Switch between the light and the dark theme", "Ctrl+T", "theme"),
    Command("theme-system", "Window", "Theme of the s&ystem", "Light or dark as the system has it"),
    Command("reset-layout", "Window", "&Reset layout", "Put all panels back where they were at first", separator=True),
    Command("guide", "Help", "&Guide", "A short guide to the program", "F1", "help"),
    Command("what", "Help", "&What am I seeing?", "Explains the panel in front", "Shift+F1"),
    Command("shortcuts", "Help", "&Shortcuts", "All shortcuts", "Ctrl+/"),
    Command("palette", "Help", "&Command palette …", "Find any command by typing", "Ctrl+Shift+P"),
    Command("about", "Help", "&About DINR Studio", "Version, libraries and licence", separator=True),
)  # fmt: skip

MENUS = ("File", "Edit", "View", "Fit", "Analyse", "Window", "Help")
TOOLBAR = ("open", "|", "preset", "fit", "pause", "done", "discard", "|", "export", "fit-view", "", "theme")
