"""What a real language model says of made-up facts, and what of it would reach a reader.

The model is the one that tests use: small, and so the ideal adversary. A second checker, which knows nothing of the
first, counts what the first let through. `--url` asks another one, by OpenAI's chat completions; `--local` asks the
same in this process.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from benchmarks import machine, table
from benchmarks.grounding.made_facts import made_facts
from domain.clock import SystemClock
from domain.impressions import Author, Facts, Topic
from summary.providers.chain import Chain, Client, Limits, Provider, Timeouts
from summary.providers.local import LocalClient
from summary.providers.remote import RemoteClient
from summary.templates import impression
from summary.writing import Written, write
from tests.support.counterparts import ROOT
from tests.support.second_checker import Kind, complaints
from tests.support.small_model import serving, weights

_FACTS = 3  # of a study, so that an answer is short
_ANSWER = 300  # tokens of one at the most
_PATIENT = Timeouts(5, 600, 600)  # every set is asked, however busy the machine is


@dataclass
class Tally:
    """What became of `sets` sets of facts: who wrote, why answers were refused, and what should have been."""

    sets: int = 0
    by_model: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ungrounded: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # plain words that the second checker does not know

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.sets + other.sets,
            self.by_model + other.by_model,
            self.refused + other.refused,
            [*self.ungrounded, *other.ungrounded],
            [*self.strange, *other.strange],
        )

    def add(self, written: Written, facts: Facts) -> None:
        """Count one."""
        self.sets += 1
        self.by_model += written.impression.author is Author.LANGUAGE_MODEL
        for one in written.attempts:
            self.refused.update({each.flaw.value for each in one.objections} or {one.fault or "nothing: it passed"})
        rules = [one.text for one in written.impression.sentences if one.topic is Topic.GUIDELINE]
        for each in complaints(written.impression, facts, rules):
            (self.strange if each.kind is Kind.WORD else self.ungrounded).append(f"{each.kind}: {each.word}")


def over_http(url: str, model: str, sets: int, seed: int, answer: int = _ANSWER) -> Tally:
    """So many sets of facts, made by the seed, told to the model at `url`."""
    return asked(RemoteClient(url, model, answer), model, sets, seed, answer)


def in_processes(file: Path, sets: int, seed: int, processes: int) -> Tally:
    """The same, told to the model of a file by so many processes, each with sets of its own."""
    shares = [len(range(one, sets, processes)) for one in range(processes)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return sum(pool.map(_in_process, [file] * processes, shares, range(seed, seed + processes)), Tally())


def _in_process(file: Path, sets: int, seed: int) -> Tally:
    return asked(LocalClient(file, _ANSWER, threads=1), file.name, sets, seed, _ANSWER)


def asked(client: Client, model: str, sets: int, seed: int, answer: int) -> Tally:
    """So many sets of facts, made by the seed, told to a model, whose answers have so many tokens at the most."""
    chance, tally = random.Random(seed), Tally()
    provider = Provider("bench", model, client, (), Limits(answer=answer), _PATIENT)
    for _ in range(sets):
        whole = made_facts(chance)
        facts = replace(whole, facts=whole.facts[:_FACTS])
        # A chain of its own for each: one that rests after errors would ask for none of the following.
        tally.add(write(facts, impression, Chain([provider], SystemClock(), total=2 * _PATIENT.total)), facts)
        if tally.sets % 10 == 0:
            print(f"{tally.sets} of {sets} sets: {dict(tally.refused)}", flush=True)
    return tally


def run(arguments: Sequence[str]) -> None:
    """Run it: `--sets`, `--seed`, `--url` and `--model`; `--quick` for few, which are not kept."""
    options = _options(arguments)
    began = time.perf_counter()
    if options.local:
        tally = in_processes(weights(), options.sets, options.seed, options.processes)
    elif options.url:
        tally = over_http(options.url, options.model, options.sets, options.seed)
    else:
        with serving() as url:
            tally = over_http(url, options.model, options.sets, options.seed)
    text = _section(options, tally, time.perf_counter() - began)
    print(f"\n{text}")
    if not options.quick:
        table.keep("Language model in the process" if options.local else "Language model", text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks language")
    parser.add_argument("--sets", type=int, default=100, help="sets of facts")
    parser.add_argument("--seed", type=int, default=20261129, help="of the facts")
    parser.add_argument("--url", help="another endpoint than the small model's own server")
    parser.add_argument("--local", action="store_true", help="the small model's file in this process, by no server")
    parser.add_argument("--processes", type=int, default=2, help="of --local; each makes sets by the next seed")
    parser.add_argument("--model", default="SmolLM2-135M-Instruct", help="the model's name there")
    parser.add_argument("--quick", action="store_true", help="few, not kept")
    options = parser.parse_args(arguments)
    if options.quick:
        options.sets = min(options.sets, 3)
    return options


def _section(options: argparse.Namespace, tally: Tally, seconds: float) -> str:
    rows = [(reason, f"{count}") for reason, count in tally.refused.most_common()]
    head = f"{options.model}, {tally.sets} sets of at most {_FACTS} facts, seed {options.seed}, {seconds:.0f} s"
    wrote = f"The model's words stood in {tally.by_model} impressions, the template's in {tally.sets - tally.by_model}."
    found = f"A second checker found {len(tally.ungrounded)} things in them that no fact holds,"
    strange = f"and {len(tally.strange)} plain words that it does not know."
    return "\n".join(
        (
            f"{head}; {machine.describe(ROOT)}.",
            "",
            table.table(("an answer was refused for", "answers"), rows),
            "",
            f"{wrote} {found} {strange}",
        )
    )
