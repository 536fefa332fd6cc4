"""manage.py makes its environment: for real, with an index of a few tiny packages in a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Stands for Django: says which Python runs it, and with what.
DJANGO = """
import json, os, sys
def execute_from_command_line(argv):
    import tiny
    print(json.dumps({"prefix": sys.prefix, "argv": argv[1:], "pid": os.getpid(), "tiny": tiny.version, "flags": sys.flags.utf8_mode}))
"""
PYTEST = "import sys; print('pytest', *sys.argv[1:]); sys.exit(7)"
PACKAGES = {
    ("django", "5.0"): {"django/__init__.py": "", "django/core/__init__.py": "", "django/core/management.py": DJANGO},
    ("torch", "2.13.0"): {"torch.py": "kind = 'cuda'"},
    ("torch", "2.13.0+cpu"): {"torch.py": "kind = 'cpu'"},
    ("tiny", "1.0"): {"tiny.py": "version = 1"},
    ("tiny", "2.0"): {"tiny.py": "version = 2"},
    ("pytest", "9.0"): {"pytest/__init__.py": "", "pytest/__main__.py": PYTEST},
}
# Lends every environment the pip that was unpacked once. Only the module's first environment gets its own, in the long way, as everywhere else.
QUICK = """
import sys
if "venv" in sys.orig_argv:
    import ensurepip, glob, os, venv, zipfile
    shared = os.path.join(os.path.dirname(__file__), "pip")
    wheels = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
    def lend(self, context):
        if not os.path.exists(shared):
            zipfile.ZipFile(wheels[0]).extractall(shared)
        packages = os.path.join(context.env_dir, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
        with open(os.path.join(packages, "lent.pth"), "w") as file:
            file.write(shared)
    if wheels:
        venv.EnvBuilder._setup_pip = lend
"""
REQUIREMENTS = "# what it runs on\ndjango==5.0\ntorch==2.13.0\ntiny==1.0\nabsent==1; sys_platform == 'plan9'\n"


def wheel_files(name: str, version: str) -> dict[str, str]:
    info = f"{name}-{version}.dist-info"
    files = dict(PACKAGES[name, version])
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    return files


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, for PIP_FIND_LINKS."""
    folder = tmp_path_factory.mktemp("index")
    for name, version in PACKAGES:
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in wheel_files(name, version).items():
                wheel.writestr(path, text)
    (folder / "quick").mkdir()
    (folder / "quick" / "sitecustomize.py").write_text(QUICK)
    return folder


def lay_out(folder: Path) -> Path:
    """The project without an environment."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "manage.py", folder)
    shutil.copytree(ROOT / "llmsite", folder / "llmsite", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    (folder / "requirements-dev.txt").write_text("-r requirements.txt\npytest==9.0\n")
    return folder


def variables(index: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The person's pip is set up to look into `index` and nowhere else. Environments are made the quick way."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "LLMSITE_", "VIRTUAL_ENV", "PYTHON", "LANG", "LC_"))}
    ours = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "LLMSITE_TORCH_INDEX": ""}
    ours["PYTHONPATH"] = str(index / "quick")
    return {**kept, **ours, **(more or {})}


def base_python() -> str:
    """The Python beneath the environment of the tests: it has none of the requirements."""
    return str(getattr(sys, "_base_executable", sys.executable))


def manage(project: Path, index: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [base_python(), "manage.py", *arguments]
    return subprocess.run(command, cwd=project, env=variables(index, env), capture_output=True, text=True, timeout=120, check=False)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, index: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project after its first start, and what that said. Not to be changed: see `project`."""
    folder = lay_out(tmp_path_factory.mktemp("made") / "project")
    return folder, manage(folder, index, "hello", "--there", env={"PYTHONPATH": ""})


@pytest.fixture
def project(made: tuple[Path, object], tmp_path: Path) -> Path:
    """A copy of the project after its first start. (An environment can be moved when it is used by its python alone, as manage.py does.)"""
    shutil.copytree(made[0], tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def pip_log(project: Path) -> str:
    return (project / "data" / "logs" / "install.log").read_text(encoding="utf-8")


# --- the first start ---------------------------------------------------------------------------------------------------------------


def test_the_first_start_makes_the_environment_and_goes_on_in_it(made: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, done = made
    result = said(done)
    assert result["prefix"] == str(project / ".venv")
    assert result["argv"] == ["hello", "--there"]
    assert "First start" in done.stderr
    assert "Installed in" in done.stderr
    assert "Successfully installed" in pip_log(project)
    assert "Successfully installed" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyPI's torch is small")
def test_without_an_nvidia_card_the_build_without_cuda_is_taken(made: tuple[Path, object]) -> None:
    from llmsite.install import has_nvidia

    (module,) = (made[0] / ".venv").glob("lib/*/site-packages/torch.py")
    assert ("cpu" in module.read_text()) is not has_nvidia() or has_nvidia()


def test_the_second_start_installs_nothing(project: Path, index: Path) -> None:
    before = pip_log(project)
    done = manage(project, index, "hello")
    assert said(done)["prefix"] == str(project / ".venv")
    assert done.stderr == ""
    assert pip_log(project) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot replace a process")
def test_the_process_stays_the_same(project: Path, index: Path) -> None:
    """So that Ctrl-C, kill and service managers meet the server itself. Python's own options come along."""
    command = [base_python(), "-X", "utf8", "manage.py", "hello"]
    with subprocess.Popen(command, cwd=project, env=variables(index), stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=60)
    result = json.loads(out)
    assert result["pid"] == process.pid
    assert result["flags"] == 1


# --- later starts ------------------------------------------------------------------------------------------------------------------


def test_a_changed_file_is_installed(project: Path, index: Path) -> None:
    (project / "requirements.txt").write_text(REQUIREMENTS.replace("tiny==1.0", "tiny==2.0"))
    done = manage(project, index, "hello")
    assert said(done)["tiny"] == 2
    assert "requirements.txt is new or has changed" in done.stderr
    assert manage(project, index, "hello").stderr == ""


def test_test_installs_what_tests_need_and_passes_pytest_its_words(project: Path, index: Path) -> None:
    done = manage(project, index, "test", "-k", "name", "--lf")
    assert done.returncode == 7, done.stderr
    assert "pytest -k name --lf" in done.stdout
    again = manage(project, index, "test")
    assert (again.returncode, again.stderr) == (7, "")
    assert manage(project, index, "hello").stderr == ""


def test_a_killed_installation_is_begun_anew(tmp_path: Path, index: Path) -> None:
    project = lay_out(tmp_path / "project")
    mark = project / ".venv" / "llmsite-installing"
    process = subprocess.Popen(
        [base_python(), "manage.py", "hello"], cwd=project, env=variables(index), stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert mark.exists()
    trap = project / ".venv" / "half-copied"
    trap.touch()
    done = manage(project, index, "hello")
    assert said(done)["prefix"] == str(project / ".venv")
    assert "interrupted" in done.stderr
    assert not trap.exists()
    assert not mark.exists()


def test_an_environment_whose_python_is_gone_is_made_anew(project: Path, index: Path) -> None:
    python = project / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert said(manage(project, index, "hello"))["prefix"] == str(project / ".venv")


def test_two_first_starts_at_once_install_once(tmp_path: Path, index: Path) -> None:
    project = lay_out(tmp_path / "project")
    starts = [
        subprocess.Popen(
            [base_python(), "manage.py", "hello"], cwd=project, env=variables(index), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [start.communicate(timeout=120) for start in starts]
    assert [start.returncode for start in starts] == [0, 0], outputs
    assert pip_log(project).count(" -m venv ") == 1
    assert sorted("waiting for it" in errors for _, errors in outputs) == [False, True]


def test_an_environment_that_has_everything_is_used_as_it_is(tmp_path: Path, index: Path) -> None:
    project = lay_out(tmp_path / "project")
    own = tmp_path / "own"
    for name, version in [("django", "5.0"), ("torch", "2.13.0"), ("tiny", "2.0")]:
        with zipfile.ZipFile(index / f"{name}-{version}-py3-none-any.whl") as wheel:
            wheel.extractall(own)
    done = manage(project, index, "hello", env={"PYTHONPATH": str(own)})
    assert said(done)["tiny"] == 2
    assert not (project / ".venv").exists()


# --- what goes wrong ---------------------------------------------------------------------------------------------------------------


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def with_startup(folder: Path, code: str) -> dict[str, str]:
    """Environment variables that make Python run `code` before manage.py."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


def test_an_old_python(tmp_path: Path, index: Path) -> None:
    project = lay_out(tmp_path / "project")
    done = manage(project, index, "serve", env=with_startup(tmp_path / "site", "import sys; sys.version_info = (3, 8, 10, 'final', 0)"))
    assert_refused(done, 10, "Python 3.11 or newer is needed, and this is 3.8.")


def test_debian_without_the_venv_package(tmp_path: Path, index: Path) -> None:
    project = lay_out(tmp_path / "project")
    done = manage(project, index, "serve", env=with_startup(tmp_path / "site", "import sys; sys.modules['ensurepip'] = None"))
    assert_refused(done, 10, f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv")
    assert not (project / ".venv").exists()


def test_a_package_that_is_not_to_be_had(project: Path, index: Path) -> None:
    (project / "requirements.txt").write_text(REQUIREMENTS + "tiny-too==3\n")
    done = manage(project, index, "hello")
    assert not (project / ".venv" / "llmsite-installing").exists()  # nothing was copied: what is there is kept
    assert_refused(done, 10, "The installation failed", "tiny-too", str(project / "data" / "logs" / "install.log"))
    assert len(done.stderr.splitlines()) < 15
    (project / "requirements.txt").write_text(REQUIREMENTS)
    assert said(manage(project, index, "hello"))["tiny"] == 1


def test_no_network(project: Path, index: Path) -> None:
    (project / "requirements.txt").write_text(REQUIREMENTS + "tiny-too==3\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = probe.getsockname()[1]
    env = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": f"http://127.0.0.1:{nobody}/simple", "PIP_RETRIES": "1", "NO_PROXY": "127.0.0.1"}
    assert_refused(manage(project, index, "hello", env=env), 10, "no connection", "PIP_INDEX_URL")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a full disk needs root on Linux: a small tmpfs is mounted")
def test_disk_full(tmp_path: Path, index: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=True)
    try:
        done = manage(lay_out(small / "project"), index, "serve", env={"PYTHONPATH": ""})
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert_refused(done, 5, "The disk is full")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_while_installing(tmp_path: Path, index: Path) -> None:
    project = lay_out(tmp_path / "project")
    process = subprocess.Popen(
        [base_python(), "manage.py", "hello"], cwd=project, env=variables(index), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr
    for line in process.stderr:
        if "making the environment" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(20) == 10
    process.stderr.close()
    assert "The next start installs the rest" in rest
    assert "Traceback" not in rest
    assert said(manage(project, index, "hello"))["tiny"] == 1
