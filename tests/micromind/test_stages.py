"""Every stage end to end, on a network of a few thousand parameters (requires: requirements-train.txt)."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer

from micromind import config, conversations, distill, dpo, evaluate, folders, grpo, lora, move_up, pretrain, reason, sft, sources, stage, tokenizer
from micromind.document import Document, exchange
from tests.micromind.tiny import SOURCES, data_folder, model_folder, tiny_model, tiny_tokenizer, write_lines

pytestmark = pytest.mark.filterwarnings("default")  # the training libraries warn of their own future

SHORT = ["--steps", "2", "--batch", "2", "--length", "96", "--no-bf16", "--report-to", "none"]


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "THIRD_PARTY", SOURCES)
    monkeypatch.setattr(sources, "OWN", ())
    for name in ("SYNTHETIC_PRETRAIN", "SYNTHETIC_SFT", "SYNTHETIC_REASON"):
        monkeypatch.setattr(sources, name, 4)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "base")


@pytest.fixture
def everywhere(tmp_path: Path) -> list[str]:
    return ["--root", str(tmp_path / "models"), "--data", str(data_folder(tmp_path / "data")), *SHORT]


def check_finished(folder: Path, name: str) -> dict[str, object]:
    """The folder is a model with its record and nothing of the work."""
    model, made = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.use_cache
    assert made.chat_template == config.CHAT_TEMPLATE
    assert model.generation_config.eos_token_id == made.convert_tokens_to_ids([config.TURN_END, config.END_OF_TEXT])
    assert not (folder / folders.CHECKPOINTS).exists()
    assert (folder / "training.png").is_file()
    record = folders.read_record(folder)
    assert record["stage"] == name
    assert record["figures"]["steps"] == 2
    assert record["seed"] == 1
    assert record["command"].startswith(f"python -m micromind.{name}")
    assert record["figures"]["last_loss"] is not None
    return record


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def changed(one: Path, other: Path) -> bool:
    return any(not torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


def test_tokenizer_and_pretraining(tmp_path: Path, everywhere: list[str], caplog: pytest.LogCaptureFixture) -> None:
    tokenizer.main([*everywhere[:4], "--vocabulary", "320"])
    record = json.loads((tmp_path / "training" / "micromind-tiny-tokenizer" / "training.json").read_text())
    (measured,) = record["figures"]["characters_per_token"].values()
    assert set(measured) == {"zh", "en"}
    caplog.set_level("INFO")
    pretrain.main(everywhere)
    folder = tmp_path / "models" / "micromind-tiny-pretrain"
    record = check_finished(folder, "pretrain")
    assert record["figures"]["tokens"] == 2 * 2 * 96
    assert set(record["data"]["files"]) == {"prose/texts.jsonl", "chats/chats.jsonl"}
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    # again: it is finished, and nothing is trained
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    pretrain.main(everywhere)
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    assert "finished already" in caplog.text


def test_pretraining_goes_on_from_a_model(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    pretrain.main([*everywhere, "--model", str(base), "--rate", "0.01"])
    folder = tmp_path / "models" / "micromind-tiny-pretrain"
    assert check_finished(folder, "pretrain")["parent"] == str(base)
    assert changed(base, folder)
    assert AutoModelForCausalLM.from_pretrained(folder).config.hidden_size == 16
    with pytest.raises(SystemExit):
        pretrain.main([*everywhere, "--model", str(base), "--layers", "2"])


def test_pretraining_takes_another_shape(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    shape = ["--hidden", "32", "--layers", "3", "--heads", "2", "--kv-heads", "1", "--feed-forward", "48"]
    pretrain.main([*everywhere, "--tokenizer", str(base), *shape])
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "models" / "micromind-tiny-pretrain").config
    assert (made.hidden_size, made.num_hidden_layers, made.head_dim, made.intermediate_size) == (32, 3, 16, 48)
    with pytest.raises(SystemExit):  # the folder holds a run of another shape
        pretrain.main([*everywhere, "--tokenizer", str(base), *shape, "--layers", "2"])


@pytest.mark.parametrize(
    ("main", "name", "more"),
    [(sft.main, "sft", []), (dpo.main, "dpo", []), (reason.main, "reason", []), (grpo.main, "grpo", ["--batch", "4", "--length", "8"])],
)
def test_a_stage_trains_the_model_it_is_given(
    tmp_path: Path, base: Path, everywhere: list[str], main: Callable[[list[str]], None], name: str, more: list[str]
) -> None:
    main([*everywhere, "--model", str(base), "--rate", "0.01", *more])
    folder = tmp_path / "models" / f"micromind-tiny-{name}"
    check_finished(folder, name)
    if name != "grpo":  # without a right answer all rewards may be alike, and nothing is to be learnt
        assert changed(base, folder)


def test_lora_leaves_an_adapter_that_gives_the_merged_model(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    from peft import PeftModel

    lora.main([*everywhere, "--model", str(base), "--rate", "0.1", "--rank", "2"])
    folder = tmp_path / "models" / "micromind-tiny-lora"
    record = check_finished(folder, "lora")
    assert 0 < record["figures"]["trained_parameters"] < record["figures"]["parameters"]
    ids = torch.arange(5, 20)[None]
    merged = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder / lora.ADAPTER)(ids).logits
    plain = AutoModelForCausalLM.from_pretrained(base)(ids).logits
    assert torch.allclose(merged, adapted, atol=1e-4)
    assert not torch.allclose(plain, adapted, atol=1e-4)


def test_distillation_by_logits_and_by_text(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    teacher = model_folder(tmp_path / "teacher", hidden=32)
    distill.main([*everywhere, "--model", str(base), "--teacher", str(teacher), "--rate", "0.01"])
    check_finished(tmp_path / "models" / "micromind-tiny-distill", "distill")
    asked: list[str] = []

    class Teacher:
        def __call__(self, prompts, *, thinking=False, **sampling):  # type: ignore[no-untyped-def]
            from micromind.answering import Answer

            asked.extend(prompt[0]["content"] for prompt in prompts)
            return [Answer("好", True) for _ in prompts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distill.answering, "open_answerer", lambda named: Teacher())
        text = [
            *everywhere,
            "--model",
            str(base),
            "--teacher",
            "big@http://127.0.0.1:9/v1",
            "--text",
            "--questions",
            "9",
            "--output",
            str(tmp_path / "t"),
        ]
        distill.main(text)
    assert len(asked) == 9
    kept = [json.loads(line)["messages"] for line in (tmp_path / "t" / distill.TEXTS).read_text().splitlines()]
    assert [chat[0]["content"] for chat in kept] == asked
    assert all(chat[1]["content"] == "好" for chat in kept)


def test_answers_of_a_teacher_survive_a_kill(tmp_path: Path) -> None:
    """The line that was being written when it came is given up, and the rest kept."""
    kept = {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "嗨"}]}
    file = write_lines(tmp_path / distill.TEXTS, kept)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: whole.index("好".encode()) + 1])
    assert distill.answered(file) == [kept["messages"]]
    assert file.read_bytes() == whole
    assert distill.answered(tmp_path / "none.jsonl") == []


def test_moving_up_measures_before_and_after(tmp_path: Path, everywhere: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bigger = model_folder(tmp_path / "bigger", hidden=32)
    monkeypatch.setitem(evaluate.AMOUNTS, "tiny", evaluate.Amounts(documents=2, sums=2, gsm8k=2, dialogues=2, tokens=4))
    mine = write_lines(tmp_path / "mine.jsonl", {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "好"}]})
    move_up.main([*everywhere, "--bigger", str(bigger), "--conversations", str(mine), "--rate", "0.1"])
    tuned = tmp_path / "models" / "bigger-tuned"
    assert changed(bigger, tuned)
    assert str(mine) in folders.read_record(tuned)["data"]["files"]
    written = (tuned / "report" / "report.md").read_text(encoding="utf-8")
    assert "| question | bigger | bigger-tuned |" in written
    assert "chats/chats.jsonl" in written


# --- what is learnt --------------------------------------------------------------------------------------------------


def packed_batch(*documents: Document, length: int = 96) -> dict[str, torch.Tensor]:
    """The first batch that the trainer would see."""
    made = tiny_tokenizer()
    made.chat_template = config.TRAINING_TEMPLATE
    try:
        rows = []
        for document in documents:
            given = made.apply_chat_template(
                [dict(message) for message in document.messages], return_dict=True, return_assistant_tokens_mask=True, tokenize=True
            )
            labels = [token if said else -100 for token, said in zip(given["input_ids"], given["assistant_masks"], strict=True)]
            rows.append((given["input_ids"], labels))
    finally:
        made.chat_template = config.CHAT_TEMPLATE
    example = {
        "input_ids": [token for ids, _ in rows for token in ids],
        "labels": [label for _, labels in rows for label in labels],
        "seq_lengths": [len(ids) for ids, _ in rows],
    }
    return conversations.PackedRows(pad_token_id=made.pad_token_id, return_position_ids=True)([example])


def test_loss_on_the_answers_only() -> None:
    made = tiny_tokenizer()
    batch = packed_batch(Document(messages=(*exchange("你好", "嗨"), *exchange("1+1", "2", think="one"))))
    said = [token for token in batch["labels"][0].tolist() if token != -100]
    assert said == made.encode("嗨<|im_end|>") + made.encode("<think>\none\n</think>\n\n2<|im_end|>")


def test_the_training_template_renders_the_same_text() -> None:
    made = tiny_tokenizer()
    chats = [
        [dict(message) for message in exchange("你好", "嗨", system="你是猫。")],
        [dict(message) for message in (*exchange("a", "b", think="c"), *exchange("1+1", "2", think="one"))],
        [{"role": "user", "content": "1"}, {"role": "assistant", "content": "<think>\nx\n</think>\n\n2"}],
    ]
    for chat, options in itertools.product(chats, ({}, {"add_generation_prompt": True}, {"add_generation_prompt": True, "enable_thinking": True})):
        plain = made.apply_chat_template(chat, tokenize=False, **options)
        assert made.apply_chat_template(chat, tokenize=False, chat_template=config.TRAINING_TEMPLATE, **options) == plain


def test_packed_conversations_do_not_see_each_other() -> None:
    """The second one's logits are those that it has alone."""
    model = tiny_model().eval()
    first, second = Document(messages=exchange("你好", "嗨")), Document(messages=exchange("1+1", "2"))
    with torch.inference_mode():
        given = {name: value for name, value in packed_batch(first, second).items() if name != "labels"}
        together = model(**given, use_cache=False).logits[0]
        alone = model(input_ids=packed_batch(second)["input_ids"], use_cache=False).logits[0]
    assert torch.allclose(together[-len(alone) :], alone, atol=1e-5)


def test_a_conversation_longer_than_a_row_is_left_out() -> None:
    rows = conversations.rows_of([Document(messages=exchange("hi", "你好")), Document(messages=exchange("hi", "a " * 200))], tiny_tokenizer(), 64)
    assert len(rows) == 1
    with pytest.raises(stage.StageError, match="None of the 1 conversations fits into 8 tokens"):
        conversations.rows_of([Document(messages=exchange("hi", "你好"))], tiny_tokenizer(), 8)


def test_tags_weigh_more() -> None:
    logits, labels = torch.randn(1, 4, 9), torch.tensor([[0, 5, -100, 7]])
    losses = conversations.next_token_loss(logits, labels)[0]
    assert float(losses[1]) == 0.0
    expected = (losses[0] + 10 * losses[2]) / 2
    assert float(conversations.weighted_loss(logits, labels, torch.tensor([7]), 10.0)) == pytest.approx(float(expected))
    plain = torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:])
    assert float(conversations.weighted_loss(logits, labels)) == pytest.approx(float(plain))


def test_a_student_like_its_teacher_has_nothing_to_learn() -> None:
    logits, labels = torch.randn(2, 5, 9), torch.tensor([[0, 1, -100, 3, 4]] * 2)
    assert float(distill.divergence(logits, logits, labels, 1.5)) == pytest.approx(0, abs=1e-6)
    assert float(distill.divergence(logits, torch.randn(2, 5, 9), labels, 1.5)) > 0
    other = logits.clone()
    other[:, 1] += torch.randn(9)  # foresees the token that has no label
    assert float(distill.divergence(logits, other, labels, 1.5)) == pytest.approx(0, abs=1e-6)


def test_rewards_can_be_checked() -> None:
    def said(*texts: str) -> list[list[dict[str, str]]]:
        return [[{"role": "assistant", "content": text}] for text in texts]

    answers = said("<think>\n7\n</think>\n\n1 + 2 = 3", "4", "three", "<think>3</think>12", "")
    assert grpo.right_result(answers, ["3"] * 5) == [1.0, 0.1, 0.0, 0.1, 0.0]
    assert grpo.right_form(answers) == [0.5, 0.0, 0.0, 0.5, 0.0]
    for asked in grpo.questions(50, seed=1):
        assert 0 <= int(asked["result"]) <= 198
    assert grpo.last_number("It is 1,234.") == "1234"


def test_a_recipe_becomes_a_question_and_its_answer() -> None:
    made = lora.as_conversation(Document(text="# 咖喱炒蟹的做法\n好吃。\n## 步骤\n炒。"), random.Random(1), 400)
    assert "咖喱炒蟹" in made.messages[0]["content"]
    assert "的做法的做法" not in made.messages[0]["content"]
    assert made.messages[1]["content"] == "好吃。\n## 步骤\n炒。"
    assert lora.as_conversation(Document(text="no title"), random.Random(1), 400) is None


def test_the_record_names_the_command_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/micromind/sft.py", "--size", "tiny"])
    assert stage.command_line("sft") == "python -m micromind.sft --size tiny"
    monkeypatch.setattr("sys.argv", ["/somewhere/micromind/recipe.py", "--size", "tiny"])
    assert stage.command_line("sft") == "python -m micromind.recipe --size tiny"


# --- what goes wrong -------------------------------------------------------------------------------------------------


def stopped(main: Callable[[list[str]], None], argv: list[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert isinstance(caught.value.code, str)
    return caught.value.code


def test_a_missing_model_is_named(tmp_path: Path, everywhere: list[str]) -> None:
    assert stopped(sft.main, everywhere) == f"{tmp_path / 'models' / 'micromind-tiny-pretrain'} is no model folder: config.json is missing."


def test_a_broken_line_stops_with_its_place(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    with (tmp_path / "data" / "chats" / "chats.jsonl").open("a") as lines:
        lines.write('{"messages": \n')
    assert "chats.jsonl, line 57: not valid JSON" in stopped(sft.main, [*everywhere, "--model", str(base)])


def test_a_missing_source_is_named(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    (tmp_path / "data" / "pairs" / "dpo.jsonl").unlink()
    assert "dpo.jsonl is missing. Point --data" in stopped(dpo.main, [*everywhere, "--model", str(base)])


def test_a_tokenizer_that_does_not_match_is_refused(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    other = tokenizer.train(["something else, 完全不同"] * 3, vocabulary=340)
    folder = model_folder(tmp_path / "other")
    longer = AutoTokenizer.from_pretrained(base)
    longer.add_tokens([f"entry{number}" for number in range(9)])
    longer.save_pretrained(model_folder(tmp_path / "longer"))
    said = stopped(sft.main, [*everywhere, "--model", str(tmp_path / "longer")])
    assert said.endswith(f"the tokenizer has {len(longer)} entries and the network only {len(longer) - 9}: they do not belong together.")
    other.save_pretrained(folder)
    assert "has another tokenizer" in stopped(distill.main, [*everywhere, "--model", str(base), "--teacher", str(folder)])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_out_of_memory_says_what_to_try(base: Path, everywhere: list[str], monkeypatch: pytest.MonkeyPatch, error: RuntimeError) -> None:
    def step(self: Trainer, *_: object, **__: object) -> None:
        if self.state.global_step == 1:
            raise error
        return done(self, *_, **__)

    done = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", step)
    said = stopped(sft.main, [*everywhere, "--model", str(base)])
    assert said == (
        "Out of memory at step 2, with 2 rows of 96 tokens at once. The checkpoint of step 1 is kept. "
        "The same command with --batch 1 --accumulate 2 learns the same and needs less at once."
    )
    monkeypatch.setattr(Trainer, "training_step", done)
    sft.main([*everywhere, "--model", str(base), "--batch", "1", "--accumulate", "2"])  # goes on from there
    folder = Path(everywhere[1]) / "micromind-tiny-sft"
    assert folders.read_record(folder)["figures"]["steps"] == 2


def test_out_of_memory_while_measuring_is_a_sentence(base: Path, everywhere: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(evaluate, "measure", measure)
    said = stopped(evaluate.main, [*everywhere[:4], "--models", str(base)])
    assert said == "Out of memory: the model does not fit beside what else is in memory. What was finished before is kept; try a smaller model."


def test_other_options_do_not_go_on_with_a_run(base: Path, everywhere: list[str]) -> None:
    sft.main([*everywhere, "--model", str(base)])
    said = stopped(sft.main, [*everywhere, "--model", str(base), "--seed", "2"])
    assert "holds a run with other options (seed 1 → 2)" in said
    sft.main([*everywhere, "--model", str(base), "--seed", "2", "--fresh"])
    assert folders.read_record(Path(everywhere[1]) / "micromind-tiny-sft")["seed"] == 2


def test_a_budget_of_time_ends_a_stage(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    sft.main([*everywhere, "--model", str(base), "--minutes", "0.02"])
    assert folders.read_record(tmp_path / "models" / "micromind-tiny-sft")["figures"]["steps"] > 0


def test_a_budget_of_processor_time_ends_a_stage(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    sft.main([*everywhere, "--model", str(base), "--cpu-minutes", "0.02"])
    record = folders.read_record(tmp_path / "models" / "micromind-tiny-sft")
    assert record["figures"]["steps"] > 0
    assert record["run"]["steps"] is None
    assert record["figures"]["cpu_seconds"] >= 1.2
    assert stopped(sft.main, [*everywhere, "--cpu-minutes", "1", "--minutes", "1"]).startswith("--minutes and --cpu-minutes are two budgets")
    assert stopped(sft.main, [*everywhere, "--minutes", "0"]) == "--minutes must be more than 0, got 0.0."


def test_sources_are_weighed_anew(tmp_path: Path, base: Path, everywhere: list[str]) -> None:
    weighed = ["--weigh", "prose/texts.jsonl=0", "chats/chats.jsonl=2", "pairs/dpo.jsonl=0"]
    pretrain.main([*everywhere, "--tokenizer", str(base), *weighed])
    record = folders.read_record(tmp_path / "models" / "micromind-tiny-pretrain")
    assert record["data"]["files"] == {"chats/chats.jsonl": 2.0}
    assert "'chats/chats.jsonl': 2.0" in stopped(pretrain.main, [*everywhere, "--tokenizer", str(base)])  # other weights are another run
    for wrong, said in (
        ("prose/text.jsonl=1", "got 'prose/text.jsonl=1'"),
        ("prose/texts.jsonl=much", "must be a number, got 'much'"),
        ("prose/texts.jsonl=-1", "must be from 0 to 100, got -1"),
    ):
        assert said in stopped(pretrain.main, [*everywhere, "--tokenizer", str(base), "--weigh", wrong])


def test_half_a_checkpoint_is_removed(tmp_path: Path) -> None:
    for step, state in ((1, "{}"), (2, '{"global')):
        (tmp_path / f"checkpoint-{step}").mkdir()
        for part in stage.CHECKPOINT_PARTS:
            (tmp_path / f"checkpoint-{step}" / part).write_text("")
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert stage.newest_checkpoint(tmp_path) == str(tmp_path / "checkpoint-1")
    assert not (tmp_path / "checkpoint-2").exists()
