def test_a_fit_runs_and_is_kept(opened, qtbot, start_fit):
    start_fit(opened)
    opened.actions_by_name["done"].trigger()
    qtbot.waitUntil(lambda: not opened.studio.fit.running, timeout=60_000)
    assert opened.studio.run.finished
    assert opened.studio.run_path.exists()
