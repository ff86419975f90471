"""Analysis windows: each asks one thing of the open run, beside the main window and as long as one likes.

To add one:

1. the core: a generator of `dinr_studio.stages.Stage`, whose last item has a frozen result; its shell command;
2. a class in this folder that derives from `window.AnalysisWindow` and says what is on the left (`controls`), what on
   the right (`results`), what its work is (`prepare`), how a result is shown (`show_result`), and, where there are any,
   its `figure`, `table` and `command`. kernel.py is the example;
3. a line in `catalogue.ANALYSES`, and a row in ui/actions.py of the same name.

Threads, progress, cancelling, saving, themes and places of windows are the base's.
"""
