"""A table of scattered samples in the window: shown as a volume of means, fitted and judged as samples."""

import numpy as np
import torch

torch.set_num_threads(1)


def test_a_table_opens_is_fitted_and_is_judged_against_interpolation_of_samples(make_window, qtbot, tmp_path):
    window = make_window()
    y, x = np.random.default_rng(0).uniform(0, (40, 50), (300, 2)).T
    rows = [f"{a:.4f},{b:.4f},{np.sin(a / 8):.5f}" for a, b in zip(x, y, strict=True)]
    (tmp_path / "stations.csv").write_text("\n".join(["x [km],y [km],temperature", *rows]))
    window.open(str(tmp_path / "stations.csv"))
    qtbot.waitUntil(lambda: window.field_panel.config is not None, timeout=60_000)
    assert "300 samples" in window.data_panel.facts["Type"].text()
    assert not window.data_panel.mask_row.choose.isEnabled()
    assert not window.actions_by_name["mask"].isEnabled()
    changes = {"time_limit": 2.0, "held_out_share": 0.1, "width": 16}
    window.field_panel.apply({"preset": "quick", "family": "siren", "changes": changes})
    qtbot.waitUntil(lambda: window.field_panel.config.training.time_limit == 2.0, timeout=60_000)
    window.monitor.setCurrentWidget(window.monitor.held_out)
    window.actions_by_name["fit"].trigger()
    qtbot.waitUntil(lambda: window.studio.fit.run is not None and window.studio.fit.running, timeout=60_000)
    qtbot.waitUntil(lambda: not window.studio.fit.running, timeout=60_000)
    qtbot.waitUntil(lambda: "thin-plate-spline" in window.monitor.held_out.plot.lines, timeout=60_000)
    assert "samples that neither saw" in window.monitor.held_out.sentence.text()
