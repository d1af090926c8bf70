"""A language model in this process, from a file of the site: a GGUF, or a folder of OpenVINO's. Nothing leaves.

The one importer of `openvino_genai`, which is loaded with the model, when it is first asked.
"""

import json
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from summary.prompt import Prompt
from summary.providers.chain import Completion, Timeouts
from summary.providers.faults import Fault, ProviderError
from summary.providers.files import context_of, wrong_with

_INSTALL = "openvino-genai is not installed: install dicom-node[language-local]"
_MOST_SCHEMAS = 50
_KINDS = (
    "it cannot be loaded: it may be a GGUF of a llama, qwen2 or qwen3 in F16, Q4_0, Q4_1, Q8_0, Q4_K or Q6_K, or "
    "a folder that optimum-intel exported"
)


def unusable(path: Path) -> str:
    """Why this installation cannot ask that model, and what to do; "" where nothing is seen before it is loaded."""
    return _INSTALL if find_spec("openvino_genai") is None else wrong_with(path)


class LocalClient:
    """Asks one model on the processor; its answers keep to the schema, for nothing else can be generated.

    `threads` is how many it takes (0: all there are). The process grows by the model, by one question and its answer,
    which `answer` and the model's own context bound, and by what the library keeps of each schema: after 50 of them it
    loads the model anew.
    """

    def __init__(self, path: Path, answer: int, threads: int = 0) -> None:
        self._path = path
        self._answer = answer
        self._threads = threads
        self._pipeline: Any = None
        self._context: int | None = None
        self._schemas: set[str] = set()

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> Completion:
        """One answer; it stops at `timeouts.total`, but for loading the model and reading the question."""
        if asked.picture:
            raise ProviderError(Fault.REFUSED, "it sees no images")
        deadline = time.monotonic() + timeouts.total
        schema = json.dumps(asked.answer)
        self._forget(schema)
        genai, pipeline = self._loaded()

        def go_on(piece: str) -> Any:
            late = time.monotonic() > deadline
            return genai.StreamingStatus.CANCEL if late else genai.StreamingStatus.RUNNING

        try:
            history = [{"role": "system", "content": asked.system}, {"role": "user", "content": asked.user}]
            tokenizer = pipeline.get_tokenizer()
            text = tokenizer.apply_chat_template(history, add_generation_prompt=True)
            tokens = int(tokenizer.encode(text).input_ids.shape[1])
            if self._context is not None and tokens + self._answer > self._context:
                raise ProviderError(Fault.CONTEXT_TOO_LONG)
            found = pipeline.generate([text], self._config(genai, schema), go_on)
        except ProviderError:
            raise
        except Exception as error:
            raise ProviderError(Fault.SERVER, type(error).__name__) from error
        if time.monotonic() > deadline:
            raise ProviderError(Fault.TIME_OUT)
        written = found.perf_metrics.get_num_generated_tokens()
        if written >= self._answer:
            raise ProviderError(Fault.CUT_SHORT)
        return Completion(str(found.texts[0]), tokens, written)

    def _forget(self, schema: str) -> None:
        """The library keeps a grammar of some megabytes for each schema, and gives it back with the model alone."""
        self._schemas.add(schema)
        if len(self._schemas) > _MOST_SCHEMAS:
            self._pipeline, self._schemas = None, {schema}

    def _config(self, genai: Any, schema: str) -> Any:
        config = genai.GenerationConfig()
        config.max_new_tokens = self._answer
        config.do_sample = False
        config.structured_output_config = genai.StructuredOutputConfig(json_schema=schema)
        return config

    def _loaded(self) -> tuple[Any, Any]:
        """The library and the model, which is loaded once."""
        if self._pipeline is None and (said := unusable(self._path)):
            raise ProviderError(Fault.MODEL_GONE, said)
        try:
            genai: Any = import_module("openvino_genai")
            if self._pipeline is None:
                self._context = context_of(self._path)
                self._pipeline = genai.LLMPipeline(str(self._path), "CPU", INFERENCE_NUM_THREADS=self._threads)
        except Exception as error:
            raise ProviderError(Fault.MODEL_GONE, f"{_KINDS} ({type(error).__name__})") from error
        return genai, self._pipeline
