"""A language model in this process, from a file of the site: a GGUF, or a folder of OpenVINO's. Nothing leaves.

The one importer of `openvino_genai`, which is loaded with the model, when it is first asked.
"""

import json
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from summary.prompt import Prompt
from summary.providers.chain import Completion, Timeouts
from summary.providers.faults import Fault, ProviderError


class LocalClient:
    """Asks one model on one device; its answers keep to the schema, for nothing else can be generated."""

    def __init__(self, path: Path, answer: int, device: str = "CPU") -> None:
        self._path = path
        self._answer = answer
        self._device = device
        self._pipeline: Any = None

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> Completion:
        """One answer; it stops at `timeouts.total`."""
        if asked.picture:
            raise ProviderError(Fault.REFUSED, "it sees no images")
        deadline = time.monotonic() + timeouts.total
        genai, pipeline = self._loaded()
        config = genai.GenerationConfig()
        config.max_new_tokens = self._answer
        config.do_sample = False
        config.structured_output_config = genai.StructuredOutputConfig(json_schema=json.dumps(asked.answer))

        def go_on(piece: str) -> Any:
            late = time.monotonic() > deadline
            return genai.StreamingStatus.CANCEL if late else genai.StreamingStatus.RUNNING

        try:
            history = [{"role": "system", "content": asked.system}, {"role": "user", "content": asked.user}]
            prompt = pipeline.get_tokenizer().apply_chat_template(history, add_generation_prompt=True)
            found = pipeline.generate([prompt], config, go_on)
        except Exception as error:
            raise ProviderError(Fault.SERVER, type(error).__name__) from error
        if time.monotonic() > deadline:
            raise ProviderError(Fault.TIME_OUT)
        metrics = found.perf_metrics
        written = metrics.get_num_generated_tokens()
        if written >= self._answer:
            raise ProviderError(Fault.CUT_SHORT)
        return Completion(str(found.texts[0]), metrics.get_num_input_tokens(), written)

    def _loaded(self) -> tuple[Any, Any]:
        try:
            genai: Any = import_module("openvino_genai")
            if self._pipeline is None:
                self._pipeline = genai.LLMPipeline(str(self._path), self._device)
        except ImportError as error:
            raise ProviderError(
                Fault.MODEL_GONE, "openvino-genai is not installed: install dicom-node[language-local]"
            ) from error
        except Exception as error:
            raise ProviderError(Fault.MODEL_GONE, f"it cannot be loaded ({type(error).__name__})") from error
        return genai, self._pipeline
