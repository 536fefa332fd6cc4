"""Sampling as a form: a field for each option, with the range that the wire has too."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from chat.models import Conversation, Persona
from chat.presets import PRESETS
from chat.protocol import Options

SAMPLING_FIELDS = ("preset", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed", "stop", "thinking")
LABELS = {
    "temperature": _("Temperature"),
    "top_p": "Top-p",
    "top_k": "Top-k",
    "min_p": "Min-p",
    "repetition_penalty": _("Repetition penalty"),
    "max_tokens": _("Most new tokens"),
    "seed": _("Seed"),
}
HELP = {
    "temperature": _("0 always takes the likeliest token; higher is more varied."),
    "top_p": _("Keep the likeliest tokens that together have this probability."),
    "top_k": _("Keep this many of the likeliest tokens; 0 keeps all."),
    "min_p": _("Drop tokens less likely than this share of the likeliest one."),
    "repetition_penalty": _("Above 1 makes tokens that were used less likely."),
    "max_tokens": _("In one answer; the prompt is not counted."),
    "seed": _("The same seed gives the same text when the answer is decoded alone."),
}
PRESET_NAMES = {"balanced": _("Balanced"), "precise": _("Precise"), "creative": _("Creative"), "tutorial": _("The tutorial's")}
THINKING = [("", _("as the model does")), ("yes", _("yes, where it can")), ("no", _("no"))]


def _field(name: str) -> forms.Field:
    """A field for a number, held to what protocol.Options says of it."""
    schema = Options.model_json_schema()["properties"][name]["anyOf"][0]
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema["maximum"]
    kind = forms.IntegerField if schema["type"] == "integer" else forms.FloatField
    step = {} if schema["type"] == "integer" else {"step": "any"}
    return kind(
        label=LABELS[name],
        required=False,
        help_text=format_lazy("{} ({} – {})", HELP[name], low, high),
        widget=forms.NumberInput(attrs=step),
        validators=[MinValueValidator(low), MaxValueValidator(high)],
    )


class SamplingForm(forms.ModelForm):
    """Reads and writes the model's `options`. An empty field is an option that is not set."""

    preset = forms.ChoiceField(
        label=_("Preset"),
        required=False,
        choices=[("", "–"), *((name, PRESET_NAMES[name]) for name in PRESETS)],
        help_text=_("A named set of values; single values below win."),
    )
    temperature = _field("temperature")
    top_p = _field("top_p")
    top_k = _field("top_k")
    min_p = _field("min_p")
    repetition_penalty = _field("repetition_penalty")
    max_tokens = _field("max_tokens")
    seed = _field("seed")
    stop = forms.CharField(
        label=_("Stop texts"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One to a line, at most 8. The answer ends before any of them."),
    )
    thinking = forms.ChoiceField(label=_("Thinking"), required=False, choices=THINKING, help_text=_("Let the model think first, where it can."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance = kwargs.get("instance")
        stored = dict(instance.options) if instance is not None and isinstance(instance.options, dict) else {}
        stored["stop"] = "\n".join(stored.get("stop") or [])
        stored["thinking"] = {True: "yes", False: "no"}.get(stored.get("thinking"), "")  # type: ignore[arg-type]
        super().__init__(*args, **{**kwargs, "initial": {**stored, **(kwargs.get("initial") or {})}})

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        options = {name: cleaned.get(name) for name in SAMPLING_FIELDS if cleaned.get(name) not in (None, "")}
        if "stop" in options:
            options["stop"] = [line for line in options["stop"].replace("\r", "").split("\n") if line]
        if "thinking" in options:
            options["thinking"] = options["thinking"] == "yes"
        try:
            Options.model_validate(options)
        except ValidationError as error:
            for wrong in error.errors(include_url=False):
                name = str(wrong["loc"][0]) if wrong["loc"] else None
                self.add_error(name if name in self.fields else None, wrong["msg"])
        else:
            self.instance.options = options
        return cleaned


class PersonaForm(SamplingForm):
    class Meta:
        model = Persona
        fields = ("name", "description", "system_prompt")
        widgets = {
            "description": forms.TextInput(attrs={"class": "vTextField"}),
            "system_prompt": forms.Textarea(attrs={"rows": 8, "class": "vLargeTextField"}),
        }


class ConversationForm(SamplingForm):
    class Meta:
        model = Conversation
        fields = ("persona",)
