from __future__ import annotations

import os

import pytest

from llmsite.config import load_config
from llmsite.serve.options import into_environment


def test_options_reach_the_configuration_through_the_environment(tmp_path: os.PathLike[str]) -> None:
    environment = {"LLMSITE_PORT": "1", "LLMSITE_MODEL": "old"}
    into_environment(["--port", "8123", "--model=small", "--open", "--host", "127.0.0.1", "--data", str(tmp_path), "--timings"], environment)
    config = load_config(environment)
    assert (config.port, config.model, config.open, config.host, str(config.data)) == (8123, "small", True, "127.0.0.1", str(tmp_path))


def test_what_is_not_said_is_left_alone() -> None:
    environment = {"LLMSITE_PORT": "1", "LLMSITE_OPEN": "1"}
    into_environment(["--no-qr"], environment)
    assert environment == {"LLMSITE_PORT": "1", "LLMSITE_OPEN": "1"}


def test_options_that_are_not_ours_are_left_to_django() -> None:
    environment: dict[str, str] = {}
    into_environment(["--verbosity", "2", "--traceback", "--unknown", "--port", "8001"], environment)
    assert environment == {"LLMSITE_PORT": "8001"}


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "8_0", "٣", ""])
def test_a_port_that_is_none_is_a_usage_error(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        into_environment(["--port", port], {})
    assert caught.value.code == 2
    assert "--port" in capsys.readouterr().err
