"""What is installed: a wheel with its resources, a shell that starts quickly, a core that knows no window."""

import subprocess
import sys
import time
import tomllib
import zipfile

import pytest


def modules_after(code):
    """The modules that are loaded in a fresh process after some code."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8")
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_the_help_needs_no_torch_and_comes_in_well_under_a_second():
    code = "from dinr_studio.__main__ import main\nassert main(['--help']) == 0"
    assert not modules_after(code) & {"torch", "scipy", "matplotlib", "h5py", "PySide6"}
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "dinr_studio", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 2.0  # about 0.5 s on an idle machine; the bound only tells torch's seconds apart


def test_info_needs_no_torch():
    code = "from dinr_studio.__main__ import main\nassert main(['info', 'sample:emd-3001']) == 0"
    assert "torch" not in modules_after(code)


def test_shell_and_core_know_nothing_of_the_window(root):
    names = [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in sorted((root / "dinr_studio").rglob("*.py"))
        if path.name not in ("__main__.py", "__init__.py") and "ui" not in path.parts
    ]
    loaded = modules_after("import " + ", ".join(names))
    assert "torch" in loaded
    assert not loaded & {"PySide6", "pyqtgraph", "vispy", "OpenGL"}


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = (
        "from hatchling.builders.wheel import WheelBuilder; "
        f"print(next(WheelBuilder({str(root)!r}).build(directory={str(folder)!r}, versions=['standard'])))"
    )
    done = subprocess.run([sys.executable, "-c", build], check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def test_a_wheel_carries_the_resources_and_both_commands(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    for path in (root / "resources" / "samples").iterdir():
        assert f"dinr_studio/resources/samples/{path.name}" in names
    assert not any(name.startswith(("tests", "packaging")) for name in names)
    assert "dinr-studio = dinr_studio.__main__:main" in entry_points
    assert "[gui_scripts]" in entry_points


def test_the_installed_copy_finds_its_resources(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import dinr_studio; from dinr_studio.samples import SAMPLES, sample_path\n"
        f"assert dinr_studio.__file__.startswith({str(tmp_path)!r})\n"
        f"assert all(str(sample_path(n)).startswith({str(tmp_path)!r}) and sample_path(n).exists() for n in SAMPLES)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_the_constraints_pin_torch_and_the_project_leaves_a_range(root):
    constraints = (root / "packaging" / "constraints.txt").read_text(encoding="utf-8").split()
    assert "torch==2.13.0" in constraints
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(requirement.startswith("torch>=") for requirement in project["dependencies"])
    assert project["license"] == "MIT"


def test_nothing_else_lies_at_the_top_of_the_repository(root):
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, encoding="utf-8", check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {name.partition("/")[0] for name in tracked.stdout.split("\n") if name and not name.startswith(".")}
    assert top == {"pyproject.toml", "README.md", "dinr_studio", "resources", "tests", "packaging"}
    assert not (root / "packaging" / "__init__.py").exists()
