"""The configuration: one frozen dataclass, and the only reader of the environment and of llmsite.toml.

Strongest first: the command line, the environment (LLMSITE_*), llmsite.toml in the data folder or beside manage.py, the built-in values.
The command line is part of the environment here: manage.py writes the options of `serve` into it (llmsite.serve.options) before Django imports
its settings, which read this once. What the installer needs before that (LLMSITE_DATA for its log, LLMSITE_TORCH_INDEX) it reads by itself.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from chat.limits import RANGES, Limits

ROOT = Path(__file__).resolve().parent.parent
EMBEDDED_MODEL = "micromind"
PHONE_CLIENT = Path("frontend-uniapp", "dist", "build", "h5")
QUANTIZE = ("", "none", "int8", "int4")
ENGINES = ("transformers", "openai", "fake")
ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?")
ROLES = ("all", "web", "engine")
TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class ConfigError(Exception):
    """The configuration cannot be used; str(error) says what was expected and what came."""


Role = Literal["all", "web", "engine"]


@dataclass(frozen=True)
class BackendConfig:
    """One `[[models.NAME.backends]]` table: one of several servers with the same model."""

    base_url: str
    name: str = ""
    """For the owner; "": its address."""
    model: str = ""
    """Its own name for the model, where it is another one than the model's."""
    api_key_env: str = ""
    weight: float = 1.0
    """How much of the work it gets, beside the others."""
    max_streams: int | None = None


@dataclass(frozen=True)
class ModelConfig:
    """One `[models.NAME]` table: how a named model is reached."""

    name: str
    engine: str = "transformers"
    path: str = ""
    """transformers: a folder, or a hub name that was downloaded."""
    base: str = ""
    """transformers: `path` is a LoRA adapter's folder, and this the name of the model that it is for."""
    base_url: str = ""
    model: str = ""
    """openai: the backend's own name for the model."""
    api_key_env: str = ""
    """openai: the NAME of the environment variable that holds the key. Never the key."""
    backends: tuple[BackendConfig, ...] = ()
    """openai: several servers instead of one base_url."""
    context_window: int | None = None
    max_streams: int | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantize: str = ""
    """transformers: int8 or int4: fewer bits for each weight; none: as dtype says; "": what [model] says."""
    offload: bool = False
    """transformers: load it even where it fits neither on the GPU nor in memory; the rest is read from disk for each token."""
    timeout_s: float = 120.0
    connect_timeout_s: float | None = None
    """openai: how long a server may take to let itself be connected to. None: 10 s, and 3 s where there is another one to ask."""
    parameters: tuple[str, ...] = ()
    """openai: what the backend understands beyond the standard parameters: top_k, min_p, repetition_penalty, thinking."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Defaults over the model's own generation_config."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """One `[embeddings.NAME]` table: a model for /v1/embeddings."""

    name: str
    engine: str = "transformers"
    path: str = ""
    """transformers: a folder, or a hub name that was downloaded."""
    device: str = "auto"
    base_url: str = ""
    model: str = ""
    api_key_env: str = ""
    """openai: as in ModelConfig."""
    timeout_s: float = 120.0


@dataclass(frozen=True)
class Config:
    root: Path
    data: Path
    host: str
    port: int
    open: bool
    """No pairing: whoever reaches the port may chat, and all such clients share one owner."""
    model: str
    models: Mapping[str, ModelConfig]
    embeddings: Mapping[str, EmbeddingConfig]
    max_streams: int
    quantize: str
    """For local models that say nothing of their own: "", int8 or int4."""
    native: Path | None
    """The folder for the decoder in C, compiled for this computer; None: torch decodes everything."""
    keep_loaded: int
    """So many local models stay in memory at most; 0: as many as there is room for."""
    system_prompt: str
    database_url: str
    debug: bool
    hosts: tuple[str, ...]
    """Further host names that the server may be called by, for a reverse proxy."""
    https: bool
    """A reverse proxy on this computer speaks HTTPS with the phones: what it says about them (X-Forwarded-For, -Proto) is believed."""
    cors_origins: tuple[str, ...]
    """Pages elsewhere that may use /api/, with a token of their own: https://app.example."""
    mdns: bool
    """Whether the server is published on the local network as a .local name."""
    metrics_token: str = field(repr=False)
    """What may read /metrics from another computer; empty: nobody may."""
    phone_client: Path | None
    """The folder where the phone client is built for browsers, to be served at /m/ when it is there; None: never."""
    limits: Limits
    """How much one device may ask for."""
    redis_url: str = field(default="", repr=False)
    """Where the processes of one server meet, when it has several. May hold a password."""
    role: Role = "all"
    """all: one process is the whole server; web: it serves phones and asks the engine process; engine: it has the models and serves nobody itself."""
    supervised: bool = False
    """`serve --workers` has started it, and holds the lock of the data folder for it."""
    instance: str = ""
    """What `serve --workers` calls the server that its processes are together; empty: each process is one."""
    process_id: str = ""
    """What `serve --workers` calls this engine process; empty: it finds a name itself."""
    process_name: str = ""
    """Of one of several processes, "web-1" say: each has a log file of its own, because a file that grows too long is put aside."""

    @property
    def log(self) -> Path:
        """Of this process."""
        return self.data / "logs" / f"llmsite{f'-{self.process_name}' if self.process_name else ''}.log"

    @property
    def models_dir(self) -> Path:
        return self.data / "models"

    @property
    def embedded_model(self) -> Path:
        return self.root / "models" / EMBEDDED_MODEL


def load_config(env: Mapping[str, str] = os.environ, root: Path = ROOT) -> Config:
    """Read the environment and llmsite.toml. Raises ConfigError with one sentence."""
    data = Path(env.get("LLMSITE_DATA") or root / "data").expanduser().resolve()
    table = _read_toml(_toml_path(env, root, data))
    server, model = _table(table, "server"), _table(table, "model")
    _refuse_unknown("llmsite.toml", table, {"server", "model", "models", "embeddings", "database", "redis", "limits"})
    _refuse_unknown("[server]", server, {"host", "port", "open", "hosts", "debug", "cors_origins", "mdns", "https", "phone_client"})
    _refuse_unknown("[model]", model, {"default", "max_streams", "keep_loaded", "quantize", "native", "system_prompt"})
    hosts = env.get("LLMSITE_HOSTS", "")
    return Config(
        root=root,
        data=data,
        host=env.get("LLMSITE_HOST") or str(server.get("host", "0.0.0.0")),  # noqa: S104 - phones must reach it; pairing guards it
        port=_integer("the port", env.get("LLMSITE_PORT") or server.get("port", 8000), 1, 65535),
        open=_switch("LLMSITE_OPEN", env.get("LLMSITE_OPEN"), server.get("open", False)),
        model=env.get("LLMSITE_MODEL") or str(model.get("default", EMBEDDED_MODEL)),
        models=_models(_table(table, "models")),
        embeddings={name: _embedding(name, fields) for name, fields in _table(table, "embeddings").items()},
        max_streams=_integer("max_streams", env.get("LLMSITE_MAX_STREAMS") or model.get("max_streams", 16), 1, 1024),
        quantize=_quantize("quantize", env.get("LLMSITE_QUANTIZE") or model.get("quantize", "")),
        native=_native(data, env.get("LLMSITE_NATIVE"), model.get("native", True)),
        keep_loaded=_integer("keep_loaded", model.get("keep_loaded", 0), 0, 100),
        system_prompt=str(model.get("system_prompt", "")),
        database_url=env.get("DATABASE_URL") or str(_table(table, "database").get("url", "")),
        debug=_switch("LLMSITE_DEBUG", env.get("LLMSITE_DEBUG"), server.get("debug", False)),
        hosts=tuple(h.strip() for h in hosts.split(",") if h.strip()) or tuple(server.get("hosts", ())),
        https=_switch("LLMSITE_HTTPS", env.get("LLMSITE_HTTPS"), server.get("https", False)),
        cors_origins=_origins(env.get("LLMSITE_CORS_ORIGINS"), server.get("cors_origins", [])),
        mdns=_switch("LLMSITE_MDNS", env.get("LLMSITE_MDNS"), server.get("mdns", True)),
        metrics_token=env.get("LLMSITE_METRICS_TOKEN", ""),
        phone_client=_phone_client(root, env.get("LLMSITE_PHONE_CLIENT"), server.get("phone_client", True)),
        limits=_limits(_table(table, "limits")),
        redis_url=env.get("REDIS_URL") or str(_table(table, "redis").get("url", "")),
        role=_role(env.get("LLMSITE_ROLE", "all")),
        supervised=_switch("LLMSITE_SUPERVISED", env.get("LLMSITE_SUPERVISED"), False),
        instance=env.get("LLMSITE_INSTANCE", ""),
        process_id=env.get("LLMSITE_PROCESS_ID", ""),
        process_name=env.get("LLMSITE_PROCESS_NAME", ""),
    )


def _role(text: str) -> Role:
    if text not in ROLES:
        raise ConfigError(f"LLMSITE_ROLE must be one of {', '.join(ROLES)}, got {text!r}.")
    return cast(Role, text)


def _toml_path(env: Mapping[str, str], root: Path, data: Path) -> Path | None:
    if named := env.get("LLMSITE_CONFIG"):
        if not Path(named).is_file():
            raise ConfigError(f"LLMSITE_CONFIG names {named}, and there is no such file.")
        return Path(named)
    return next((path for path in (data / "llmsite.toml", root / "llmsite.toml") if path.is_file()), None)


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"llmsite.toml: expected a table [{name}], got {value!r}.")
    return value


def _models(tables: Mapping[str, Any]) -> dict[str, ModelConfig]:
    models = {name: _model(name, fields) for name, fields in tables.items()}
    for model in models.values():
        if model.base in models and (models[model.base].base or models[model.base].engine != "transformers"):
            raise ConfigError(f"[models.{model.name}]: base must name a whole model of the engine transformers, and {model.base} is none.")
    return models


def _model(name: str, table: Any) -> ModelConfig:
    where = f"[models.{name}]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"llmsite.toml: expected a table {where}, got {table!r}.")
    _refuse_unknown(where, table, set(ModelConfig.__dataclass_fields__) - {"name"})
    engine = table.get("engine", "transformers")
    if engine not in ENGINES:
        raise ConfigError(f"{where}: engine must be one of {', '.join(ENGINES)}, got {engine!r}.")
    backends = _backends(where, engine, table)
    needed = {"transformers": ("path",), "openai": ("model",) if backends else ("base_url", "model"), "fake": ()}[engine]
    if missing := [key for key in needed if not table.get(key)]:
        raise ConfigError(f"{where}: {missing[0]} is missing; an engine of kind {engine} needs it.")
    _quantize(f"{where}: quantize", table.get("quantize", ""))
    if table.get("base"):
        _adapter(where, table)
    return ModelConfig(name=name, **{**table, "parameters": tuple(table.get("parameters", ())), "backends": backends})


def _backends(where: str, engine: str, table: Mapping[str, Any]) -> tuple[BackendConfig, ...]:
    """Each with a name of its own."""
    listed = table.get("backends", [])
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise ConfigError(f"{where}: expected backends as tables {where.replace('[', '[[', 1)[:-1]}.backends]], got {listed!r}.")
    if not listed:
        return ()
    if engine != "openai" or table.get("base_url") or table.get("api_key_env") or table.get("max_streams"):
        taken = "engine" if engine != "openai" else next(key for key in ("base_url", "api_key_env", "max_streams") if table.get(key))
        expected = 'engine = "openai"' if taken == "engine" else f"{taken} in each of them"
        raise ConfigError(f"{where}: with backends, expected {expected}, got {taken} = {table.get(taken, engine)!r}.")
    backends = tuple(_backend(f"{where}, backend {number}", one) for number, one in enumerate(listed, 1))
    names = [backend.name for backend in backends]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{where}: two backends are called {twice[0]!r}. Expected a name of its own for each.")
    return backends


def _backend(where: str, table: Mapping[str, Any]) -> BackendConfig:
    _refuse_unknown(where, table, set(BackendConfig.__dataclass_fields__))
    url = table.get("base_url")
    if not isinstance(url, str) or not url:
        raise ConfigError(f"{where}: base_url is missing. Expected an address like http://10.0.0.5:8000/v1, got {url!r}.")
    weight = table.get("weight", 1.0)
    if not isinstance(weight, int | float) or not 0 < weight <= 1000:
        raise ConfigError(f"{where}: weight must be a number above 0, at most 1000, got {weight!r}.")
    if "max_streams" in table:
        _integer(f"{where}: max_streams", table["max_streams"], 1, 1024)
    return BackendConfig(**{"name": urlsplit(url).netloc.rpartition("@")[2], **table, "weight": float(weight)})


def _adapter(where: str, table: Mapping[str, Any]) -> None:
    """What an adapter shares with its base it cannot choose."""
    if table.get("engine", "transformers") != "transformers":
        raise ConfigError(f"{where}: base names the model that an adapter is for; only an engine of kind transformers has adapters.")
    if chosen := [key for key in ("device", "dtype", "quantize", "offload") if table.get(key)]:
        raise ConfigError(f"{where}: {chosen[0]} is the base model's, and belongs into its table.")


def _quantize(what: str, value: Any) -> str:
    if value not in QUANTIZE:
        raise ConfigError(f"{what} must be one of {', '.join(filter(None, QUANTIZE))}, got {value!r}.")
    return str(value)


def _native(data: Path, text: str | None, default: Any) -> Path | None:
    """A switch, or the name of another folder."""
    value = str(default if text is None else text)
    if value.lower() in TRUE:
        return data / "native"
    return None if value.lower() in FALSE else Path(value).expanduser().resolve()


def _embedding(name: str, table: Any) -> EmbeddingConfig:
    where = f"[embeddings.{name}]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"llmsite.toml: expected a table {where}, got {table!r}.")
    _refuse_unknown(where, table, set(EmbeddingConfig.__dataclass_fields__) - {"name"})
    engine = table.get("engine", "transformers")
    needed: Mapping[str, tuple[str, ...]] = {"transformers": ("path",), "openai": ("base_url", "model")}
    if engine not in needed:
        raise ConfigError(f"{where}: engine must be one of {', '.join(needed)}, got {engine!r}.")
    if absent := [key for key in needed[engine] if not table.get(key)]:
        raise ConfigError(f"{where}: {absent[0]} is missing; an engine of kind {engine} needs it.")
    return EmbeddingConfig(name=name, **table)


def _refuse_unknown(where: str, table: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"{where}: unknown setting {unknown[0]!r}. Expected one of: {', '.join(sorted(known))}.")


def _limits(table: Mapping[str, Any]) -> Limits:
    _refuse_unknown("[limits]", table, set(RANGES))
    return Limits(**{name: _integer(f"[limits] {name}", value, *RANGES[name]) for name, value in table.items()})


def _integer(what: str, value: Any, low: int, high: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = low - 1
    if not low <= number <= high:
        raise ConfigError(f"{what} must be a whole number from {low} to {high}, got {value!r}.")
    return number


def _origins(listed: str | None, default: Any) -> tuple[str, ...]:
    """As browsers write them in the Origin header: in lower case, without a path."""
    found = default if listed is None else [part.strip() for part in listed.split(",") if part.strip()]
    if not isinstance(found, list):
        raise ConfigError(f"cors_origins must be a list of origins, got {found!r}.")
    for origin in found:
        if not isinstance(origin, str) or not ORIGIN.fullmatch(origin):
            raise ConfigError(f"cors_origins: expected an origin like https://app.example or http://192.168.1.9:5173, got {origin!r}.")
    return tuple(found)


def _phone_client(root: Path, text: str | None, default: Any) -> Path | None:
    """A switch, or the name of another folder, which must then be there."""
    value = default if text is None else text
    if value is True or str(value).lower() in TRUE:
        return root / PHONE_CLIENT
    if value is False or str(value).lower() in FALSE:
        return None
    folder = root / Path(str(value)).expanduser()
    if not (folder / "index.html").is_file():
        raise ConfigError(f"phone_client names {folder}, and there is no index.html in it. `npm run build:h5` in frontend-uniapp makes one.")
    return folder


def _switch(what: str, text: str | None, default: Any) -> bool:
    value = default if text is None else text
    if isinstance(value, bool):
        return value
    if str(value).lower() in TRUE | FALSE:
        return str(value).lower() in TRUE
    raise ConfigError(f"{what} must be 1 or 0, got {value!r}.")
