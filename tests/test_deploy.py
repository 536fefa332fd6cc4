"""The files in deploy/, each checked by the program that reads it. nginx serves with its file in end_to_end/test_nginx.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from llmsite.config import load_config
from tests.nginx import Nginx
from tests.nginx import program as nginx_program

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def needs(program: str | None, package: str) -> str:
    if program is None:
        assert not os.environ.get("CI"), f"CI must have {package}"
        pytest.skip(f"there is no {package} here")
    return program


def test_nginx(tmp_path: Path) -> None:
    needs(nginx_program(), "nginx")
    said = Nginx(tmp_path, [8001, 8002]).check()
    assert "warn" not in said
    assert "test is successful" in said


@pytest.mark.parametrize("file", [DEPLOY / "caddy" / "Caddyfile", DEPLOY / "compose" / "Caddyfile"], ids=lambda file: file.parent.name)
def test_caddy(file: Path, tmp_path: Path) -> None:
    command = [needs(shutil.which("caddy"), "caddy"), "validate", "--adapter", "caddyfile", "--config", str(file)]
    done = subprocess.run(command, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd(unit: Path, tmp_path: Path) -> None:
    """`verify` wants the programs to be there: in place of /opt/llmsite's Python stands this one."""
    for each in UNITS:
        (tmp_path / each.name).write_text(each.read_text().replace("/opt/llmsite/.venv/bin/python", sys.executable))
    name = unit.name.replace("@.", "@8001.")
    if name != unit.name:
        (tmp_path / name).symlink_to(tmp_path / unit.name)
    program = needs(shutil.which("systemd-analyze"), "systemd")
    done = subprocess.run([program, "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or unit.name in line]
    assert ours == [], "no unknown setting, no wrong value"


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_units_call_commands_that_are_there_and_give_little_away(unit: Path) -> None:
    text = unit.read_text()
    command = re.search(r"manage\.py (\w+)", text)
    assert command
    assert command[1] in get_commands()
    for wanted in ("User=llmsite", "UMask=0077", "NoNewPrivileges=true", "ProtectSystem=strict"):
        assert wanted in text


def test_compose() -> None:
    found = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    services = found["services"]
    for name in ("engine", "web"):
        command = services[name]["command"]
        assert command[:2] == ["python", "manage.py"]
        assert command[2] in get_commands()
        assert "ports" not in services[name], "only the proxy is reached from outside"
        assert (DEPLOY / "compose" / services[name]["build"]["context"] / services[name]["build"]["dockerfile"]).is_file()
        named = {volume.partition(":")[0] for volume in services[name]["volumes"]}
        assert named <= set(found["volumes"])
        assert set(services[name]["depends_on"]) <= set(services)
    for service in services.values():
        for key, value in (service.get("environment") or {}).items():
            assert "PASSWORD" not in key or value.startswith("${"), "a password comes from .env"
    dockerfile = (DEPLOY / "compose" / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.M):
        assert all((ROOT / name).exists() for name in line.split())


def test_the_configuration_of_a_campus(tmp_path: Path) -> None:
    config = load_config({"LLMSITE_CONFIG": str(DEPLOY / "llmsite.toml.example"), "LLMSITE_DATA": str(tmp_path)}, root=ROOT)
    model = config.models[config.model]
    assert [(one.name, one.weight, one.max_streams) for one in model.backends] == [("gpu-1", 2.0, 128), ("gpu-2", 1.0, 64)]


def test_every_variable_is_one_that_is_read() -> None:
    read = "".join((ROOT / "llmsite" / name).read_text() for name in ("config.py",))
    files = [DEPLOY / "llmsite.env.example", DEPLOY / "compose" / "compose.yaml", *UNITS]
    named = {name for file in files for name in re.findall(r"\bLLMSITE_[A-Z_]+\b", file.read_text())}
    assert named
    assert {name for name in named if f'"{name}"' not in read} == set()
