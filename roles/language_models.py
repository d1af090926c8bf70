"""The language models of the settings, as one question that is recorded before it leaves."""

import logging
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from audit.actions import Action
from audit.trail import Ledger
from config import metrics
from config.secret_files import secret_in
from config.settings import LanguageModel, Settings
from config.sources import Fault as SettingFault
from config.toml_lines import element
from domain.clock import SystemClock
from domain.errors import ConfigurationError
from domain.ids import StudyId
from summary.prompt import VERSION, Prompt
from summary.providers import local
from summary.providers.cache import Cache
from summary.providers.chain import Call, Chain, Client, Completion, Leaving, Limits, Provider, Timeouts
from summary.providers.faults import Fault, ProviderError
from summary.providers.limits import BreakerState
from summary.providers.remote import INSTALL, RemoteClient
from summary.writing import Answered

_log = logging.getLogger(__name__)


class Asker:
    """Asks the language models about one study at a time; `asked` is what left for it.

    `models` are those that are asked, by default the ones that write impressions.
    """

    def __init__(
        self, settings: Settings, ledger: Ledger | None, models: Sequence[LanguageModel] | None = None
    ) -> None:
        self._ledger = ledger
        self._study: StudyId | None = None
        self.asked: list[str] = []
        self.chain = Chain(
            providers(settings.language_models if models is None else models, settings.models.threads),
            SystemClock(),
            settings.summary.timeout,
            Cache(settings.summary.keep_answers),
            self._leaves,
            self._told,
        )

    def about(self, study: StudyId | None) -> "Asker":
        """Questions from now on are about this study."""
        self._study, self.asked = study, []
        return self

    def health(self) -> dict[str, str]:
        """How each is now, in words; said to the metrics as well."""
        known = self.chain.health()
        for one in known:
            metrics.language_model_resting.labels(one.name).set(one.breaker is not BreakerState.CLOSED)
        return {one.name: one.said for one in known}

    def __call__(self, asked: Prompt) -> Answered:
        """The first answer; raises NoAnswer."""
        return self.chain(asked)

    def _leaves(self, leaving: Leaving) -> None:
        """Nothing leaves that the trail does not have: where it cannot be written, nobody is asked."""
        self.asked.append(leaving.payload.decode("ascii"))
        whom = {"provider": leaving.provider, "model": leaving.model}
        self._record(Action.LANGUAGE_MODEL_ASKED, **whom, payload=leaving.digest, prompt=VERSION)

    def _told(self, call: Call) -> None:
        outcome = "answered" if call.fault is None else call.fault.name.lower()
        metrics.language_model_calls.labels(call.provider, "cached" if call.cached else outcome).inc()
        metrics.language_model_tokens.labels(call.provider, "asked").inc(call.tokens_in)
        metrics.language_model_tokens.labels(call.provider, "answered").inc(call.tokens_out)
        if call.fault is not None:
            _log.warning("a language model did not answer", extra={"provider": call.provider, "reason": call.fault})
        self._record(
            Action.LANGUAGE_MODEL_ANSWERED,
            provider=call.provider,
            model=call.model,
            payload=call.digest,
            outcome=outcome,
            cached=call.cached,
            tokens_asked=call.tokens_in,
            tokens_answered=call.tokens_out,
        )

    def _record(self, action: Action, **details: object) -> None:
        if self._ledger is not None:
            with self._ledger.transaction() as transaction:
                transaction.record(action, self._study, **details)


def unusable(settings: Settings) -> Iterator[SettingFault]:
    """What is to be asked and cannot be from here, for want of a library or of a whole file; work goes on without."""
    for setting in ("language_models", "vision_models"):
        models: Sequence[LanguageModel] = getattr(settings, setting)
        for number, one in enumerate(models):
            name, said = _lacks(one)
            if said:
                where = f"{setting}.{element(one.name, number)}.{name}"
                yield SettingFault(f"{where}: {said}", ((setting, number, name),))
    if settings.vision_models and find_spec("rapidocr") is None:
        said = "what finds text in pixels is not installed, so no image may leave: install dicom-node[vision]"
        yield SettingFault(f"vision_models: {said}", (("vision_models",),))
    if settings.literature.enabled and "pubmed" in settings.literature.sources and find_spec("Bio") is None:
        said = "answers of PubMed cannot be read: install dicom-node[literature]"
        yield SettingFault(f"literature.sources: {said}", (("literature", "sources"),))


def _lacks(one: LanguageModel) -> tuple[str, str]:
    """The setting that names what is not here, and what to do."""
    if one.kind == "openai":
        return ("kind", INSTALL) if find_spec("openai") is None else ("key_files", _lacks_keys(one.key_files))
    return "file", local.unusable(one.file) if one.file is not None and one.file.exists() else ""


def _lacks_keys(files: Sequence[Path]) -> str:
    try:
        for file in files:
            if file.exists():  # else said of every setting that names a file
                _key(file)
    except ConfigurationError as error:
        return error.sentence.partition(": ")[2]
    return ""


def providers(models: Sequence[LanguageModel], threads: int = 0) -> list[Provider]:
    """Those of the settings, in their order; one in the process takes so many threads (0: all there are).

    One whose key cannot be read fails when it is asked, so that the others and the template do not.
    """
    return [_provider(one, threads) for one in models]


def _provider(one: LanguageModel, threads: int) -> Provider:
    keys: Sequence[str] = ()
    try:
        keys, client = [_key(file) for file in one.key_files], _client(one, threads)
    except ConfigurationError as error:
        _log.warning("a language model cannot be asked", extra={"provider": one.name, "reason": error.sentence})
        client = _Keyless()
    return Provider(
        one.name,
        one.model or (one.file.name if one.file else ""),
        client,
        keys,
        Limits(one.requests_a_minute, one.tokens_a_minute, one.tokens_a_day, one.answer_tokens),
        Timeouts(one.connect_timeout, one.first_byte_timeout, one.timeout),
    )


class _Keyless:
    """In place of a client without its key. What it says goes into results, where no path of this machine belongs."""

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> Completion:
        """Raises ProviderError."""
        raise ProviderError(Fault.AUTHENTICATION, "a file of its key_files cannot be used, see dicom-node config check")


def _client(one: LanguageModel, threads: int) -> Client:
    if one.kind == "local":
        assert one.file is not None
        return local.LocalClient(one.file, one.answer_tokens, threads)
    assert one.url is not None
    return RemoteClient(one.url, one.model, one.answer_tokens)


def _key(file: Path) -> str:
    """The key in a file; raises ConfigurationError where it holds none, or others may read it."""
    key = secret_in(file, "key_files")
    if len(key.split()) != 1 or not key.isascii():
        raise ConfigurationError(f"key_files: {file} has to hold one key, on one line")
    return key
