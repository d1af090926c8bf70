"""How a worker asks the general models of the settings about images: recorded before anything leaves."""

from collections.abc import Sequence
from dataclasses import replace

from domain.errors import Permanent
from domain.questions import Likelihoods, Question
from inference_worker.asked import AskedModels, Runner
from inference_worker.model_process import ModelProcess, ModelProcessSettings
from models.installed import installed
from roles.language_models import Asker
from roles.process import Context
from store.jobs import Job
from summary.providers.faults import NoAnswer
from summary.vision import look


def renderer(process: ModelProcessSettings) -> ModelProcess:
    """The process that makes what is shown, started as `process` says."""
    return ModelProcess(replace(process, factory="inference_worker.vision:load"))


class Vision:
    """The models that are asked, beside those of `others`; what is shown is made by `renderer`."""

    def __init__(self, context: Context, others: Runner, renderer: Runner) -> None:
        self._asker = Asker(context.settings, context.ledger, context.settings.vision_models)
        self.models = AskedModels(others, renderer, self._view, lambda: installed(context.settings))

    def about(self, job: Job) -> None:
        """What is asked from now on is about the study of this job."""
        self._asker.about(job.study_id)

    def _view(self, instructions: str, questions: Sequence[Question], picture: bytes) -> Likelihoods:
        """Raises Permanent of what would be the same at the next attempt."""
        try:
            return look(self._asker.chain, instructions, questions, picture)
        except NoAnswer as error:
            if error.lasts:
                raise Permanent(error.sentence) from error
            raise
