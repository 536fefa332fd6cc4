from __future__ import annotations

from pathlib import Path

import pytest

from chat.limits import RANGES, Limits
from llmsite.config import Config, ConfigError, load_config
from llmsite.engines import bits_of


def load(tmp_path: Path, toml: str = "", **env: str) -> Config:
    (tmp_path / "llmsite.toml").write_text(toml, encoding="utf-8")
    return load_config(env, root=tmp_path)


def test_without_a_word_the_embedded_model_is_served_to_paired_phones(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert (config.host, config.port, config.open, config.model) == ("0.0.0.0", 8000, False, "micromind")  # noqa: S104
    assert config.data == tmp_path / "data"
    assert config.embedded_model == tmp_path / "models" / "micromind"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    toml = '[server]\nport = 9000\nopen = true\n[model]\ndefault = "qwen"\n'
    assert (load(tmp_path, toml).port, load(tmp_path, toml).open, load(tmp_path, toml).model) == (9000, True, "qwen")
    config = load(tmp_path, toml, LLMSITE_PORT="9001", LLMSITE_OPEN="0", LLMSITE_MODEL="x", LLMSITE_DATA=str(tmp_path / "elsewhere"))
    assert (config.port, config.open, config.model, config.data) == (9001, False, "x", tmp_path / "elsewhere")


def test_the_pages_that_may_use_the_api_are_named(tmp_path: Path) -> None:
    assert load(tmp_path).cors_origins == ()
    toml = '[server]\ncors_origins = ["https://a.example", "http://192.168.1.9:5173"]\n'
    assert load(tmp_path, toml).cors_origins == ("https://a.example", "http://192.168.1.9:5173")
    assert load(tmp_path, toml, LLMSITE_CORS_ORIGINS="http://[::1]:5173, https://b.example").cors_origins == (
        "http://[::1]:5173",
        "https://b.example",
    )
    assert load(tmp_path, toml, LLMSITE_CORS_ORIGINS="").cors_origins == ()


def test_fewer_bits_are_asked_for_by_name(tmp_path: Path) -> None:
    assert (load(tmp_path).quantize, load(tmp_path, '[model]\nquantize = "int8"\n').quantize) == ("", "int8")
    assert load(tmp_path, '[model]\nquantize = "int8"\n', LLMSITE_QUANTIZE="int4").quantize == "int4"
    config = load(tmp_path, '[model]\nquantize = "int8"\n[models.a]\npath = "a"\nquantize = "none"\n[models.b]\npath = "b"\n')
    assert [bits_of(config, model) for model in config.models.values()] == [None, 8]
    with pytest.raises(ConfigError, match="quantize must be one of none, int8, int4, got 'int5'"):
        load(tmp_path, LLMSITE_QUANTIZE="int5")
    with pytest.raises(ConfigError, match=r"\[models.a\]: quantize must be one of"):
        load(tmp_path, '[models.a]\npath = "a"\nquantize = 8\n')


def test_where_the_decoder_in_c_is_kept(tmp_path: Path) -> None:
    assert load(tmp_path).native == tmp_path / "data" / "native"
    assert load(tmp_path, "[model]\nnative = false\n").native is None
    assert load(tmp_path, LLMSITE_NATIVE="0").native is None
    assert load(tmp_path, LLMSITE_NATIVE=str(tmp_path / "there")).native == tmp_path / "there"


def test_the_local_name_can_be_switched_off(tmp_path: Path) -> None:
    assert load(tmp_path).mdns is True
    assert load(tmp_path, "[server]\nmdns = false\n").mdns is False
    assert load(tmp_path, "[server]\nmdns = false\n", LLMSITE_MDNS="1").mdns is True
    assert load(tmp_path, LLMSITE_MDNS="0").mdns is False


def test_the_phone_client_is_where_it_is_built_or_where_it_is_said_to_be(tmp_path: Path) -> None:
    built = tmp_path / "frontend-uniapp" / "dist" / "build" / "h5"
    assert load(tmp_path).phone_client == load(tmp_path, LLMSITE_PHONE_CLIENT="1").phone_client == built
    assert load(tmp_path, "[server]\nphone_client = false\n").phone_client is None
    assert load(tmp_path, LLMSITE_PHONE_CLIENT="0").phone_client is None
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").touch()
    toml = '[server]\nphone_client = "mine"\n'
    assert load(tmp_path, toml).phone_client == load(tmp_path, LLMSITE_PHONE_CLIENT=str(tmp_path / "mine")).phone_client == tmp_path / "mine"
    assert load(tmp_path, toml, LLMSITE_PHONE_CLIENT="0").phone_client is None
    with pytest.raises(ConfigError, match="other, and there is no index"):
        load(tmp_path, LLMSITE_PHONE_CLIENT="other")


def test_the_token_for_metrics_is_in_no_printed_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, LLMSITE_METRICS_TOKEN="s3cret")
    assert config.metrics_token == "s3cret"
    assert "s3cret" not in repr(config)


def test_limits(tmp_path: Path) -> None:
    limits = load(tmp_path, "[limits]\nmessages_per_minute = 5\n").limits
    assert (limits.messages_per_minute, limits.sockets) == (5, Limits().sockets)


@pytest.mark.parametrize("name", RANGES)
def test_every_limit_of_the_program_is_one_that_may_be_set(name: str) -> None:
    low, high = RANGES[name]
    assert low <= getattr(Limits(), name) <= high


def test_how_many_models_stay_loaded(tmp_path: Path) -> None:
    assert load(tmp_path).keep_loaded == 0
    assert load(tmp_path, "[model]\nkeep_loaded = 2\n").keep_loaded == 2
    with pytest.raises(ConfigError, match="keep_loaded must be a whole number from 0 to 100, got -1"):
        load(tmp_path, "[model]\nkeep_loaded = -1\n")


def test_named_models(tmp_path: Path) -> None:
    toml = """
[models.qwen]
path = "Qwen/Qwen2.5-0.5B-Instruct"
sampling = { temperature = 0.3 }
[models.deepseek]
engine = "openai"
base_url = "https://api.example/v1"
model = "deepseek-chat"
api_key_env = "KEY"
parameters = ["thinking"]
"""
    models = load(tmp_path, toml).models
    assert (models["qwen"].engine, models["qwen"].sampling) == ("transformers", {"temperature": 0.3})
    assert (models["deepseek"].api_key_env, models["deepseek"].parameters) == ("KEY", ("thinking",))


@pytest.mark.parametrize(
    ("toml", "env", "said"),
    [
        ("port = 1", {}, "llmsite.toml: unknown setting 'port'. Expected one of: database, embeddings, limits, model, models, redis, server."),
        ("[server]\nprot = 1", {}, r"\[server\]: unknown setting 'prot'"),
        ("[server]\nport = 70000", {}, "the port must be a whole number from 1 to 65535, got 70000"),
        ("", {"LLMSITE_PORT": "eighty"}, "the port must be a whole number from 1 to 65535, got 'eighty'"),
        ("", {"LLMSITE_OPEN": "maybe"}, "LLMSITE_OPEN must be 1 or 0, got 'maybe'"),
        ("server = 5", {}, r"expected a table \[server\], got 5"),
        ("models = { x = 5 }", {}, r"expected a table \[models.x\], got 5"),
        ("[models.x]\nengine = 'magic'", {}, r"\[models.x\]: engine must be one of transformers, openai, fake, got 'magic'"),
        ("[models.x]\nengine = 'openai'\nbase_url = 'u'", {}, r"\[models.x\]: model is missing"),
        ("[models.x]\n", {}, r"\[models.x\]: path is missing"),
        ("[models.x]\npath = 'p'\napi_key = 'secret'", {}, r"\[models.x\]: unknown setting 'api_key'"),
        ("[embeddings.x]\n", {}, r"\[embeddings.x\]: path is missing"),
        ("[embeddings.x]\nengine = 'fake'", {}, r"\[embeddings.x\]: engine must be one of transformers, openai, got 'fake'"),
        ("[embeddings.x]\npath = 'p'\nkey = 1", {}, r"\[embeddings.x\]: unknown setting 'key'"),
        ("[server]\ncors_origins = 'https://a.example'", {}, "cors_origins must be a list of origins, got 'https://a.example'"),
        (
            "[server]\ncors_origins = ['https://a.example/']",
            {},
            "cors_origins: expected an origin like https://app.example or .*, got 'https://a.example/'",
        ),
        ("", {"LLMSITE_CORS_ORIGINS": "*"}, "cors_origins: expected an origin like .*, got '\\*'"),
        ("[limits]\nmessages = 1", {}, r"\[limits\]: unknown setting 'messages'"),
        ("[limits]\nsockets = 0", {}, r"\[limits\] sockets must be a whole number from 1 to 10000, got 0"),
        ("[limits]\nbody_mb = 'much'", {}, r"\[limits\] body_mb must be a whole number from 1 to 1000, got 'much'"),
        ("not toml", {}, "llmsite.toml cannot be read"),
        ("", {"LLMSITE_CONFIG": "/nowhere/x.toml"}, "LLMSITE_CONFIG names /nowhere/x.toml, and there is no such file"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, toml: str, env: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, toml, **env)


TWO = """
[models.big]
engine = "openai"
model = "m"
[[models.big.backends]]
base_url = "http://10.0.0.5:8000/v1"
weight = 2
[[models.big.backends]]
"""


def test_a_model_may_have_several_servers(tmp_path: Path) -> None:
    model = load(tmp_path, TWO + 'base_url = "http://10.0.0.6:8000/v1"\nname = "right"\napi_key_env = "RIGHT"\nmax_streams = 64\n').models["big"]
    assert [(b.name, b.weight, b.max_streams, b.api_key_env) for b in model.backends] == [
        ("10.0.0.5:8000", 2.0, None, ""),
        ("right", 1.0, 64, "RIGHT"),
    ]


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        (TWO + 'base_url = "http://10.0.0.5:8000/v1"\n', r"\[models.big\]: two backends are called '10.0.0.5:8000'"),
        (TWO + "weight = 1\n", r"\[models.big\], backend 2: base_url is missing. Expected an address like .*, got None"),
        (TWO + 'base_url = "http://x/v1"\nweight = 0\n', "backend 2: weight must be a number above 0, at most 1000, got 0"),
        (TWO + 'base_url = "http://x/v1"\nweight = "2"\n', "weight must be a number above 0, at most 1000, got '2'"),
        (TWO + 'base_url = "http://x/v1"\nmax_streams = 0\n', "backend 2: max_streams must be a whole number from 1"),
        (TWO + 'base_url = "http://x/v1"\napi_key = "sk"\n', "backend 2: unknown setting 'api_key'"),
        (
            '[models.big]\nengine = "openai"\nmodel = "m"\nbackends = "http://x"\n',
            r"expected backends as tables \[\[models.big.backends\]\], got 'http://x'",
        ),
        (TWO.replace('model = "m"\n', 'model = "m"\nbase_url = "http://y"\n') + 'base_url = "http://x/v1"\n', "expected base_url in each of them"),
        (TWO.replace('model = "m"\n', 'model = "m"\nmax_streams = 3\n') + 'base_url = "http://x/v1"\n', "expected max_streams in each of them, got"),
        (TWO.replace('engine = "openai"', 'path = "x"') + 'base_url = "http://x/v1"\n', 'expected engine = "openai", got engine ='),
        (TWO.replace('model = "m"\n', "") + 'base_url = "http://x/v1"\n', "model is missing"),
    ],
)
def test_servers_that_cannot_be(tmp_path: Path, toml: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(tmp_path, toml)


def test_an_adapter_names_its_base(tmp_path: Path) -> None:
    config = load(tmp_path, '[models.cook]\npath = "lora/adapter"\nbase = "micromind"\n')
    assert (config.models["cook"].base, config.models["cook"].path) == ("micromind", "lora/adapter")
    for more, sentence in (
        ('engine = "openai"\nbase_url = "http://x/v1"\nmodel = "m"\n', "only an engine of kind transformers has adapters"),
        ('dtype = "bf16"\n', "dtype is the base model's, and belongs into its table"),
        ('[models.micromind]\npath = "a"\nbase = "b"\n', "base must name a whole model of the engine transformers, and micromind is none"),
        ('[models.micromind]\nengine = "fake"\n', "base must name a whole model of the engine transformers, and micromind is none"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            load(tmp_path, f'[models.cook]\npath = "lora/adapter"\nbase = "micromind"\n{more}')
