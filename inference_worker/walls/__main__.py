"""`python -m inference_worker.walls PLAN MODULE ARGUMENT`: raises the walls, then runs `MODULE.main(ARGUMENT, fault)`.

`fault` is the sentence for whoever asked where a wall is missing that the plan requires, "" where none is: MODULE then
says it and reads nothing. MODULE "-" writes as JSON which walls stand.
"""

import importlib
import json
import sys
from dataclasses import asdict

from inference_worker.walls import kernel
from inference_worker.walls.build import build, lacking
from inference_worker.walls.plan import Plan


def main(told: str, module: str, argument: str) -> None:
    """Build the walls of the plan `told`, and run what shall be behind them."""
    plan = Plan.from_json(told)
    kernel.close_descriptors(*([int(argument)] if argument.isdigit() else []))
    sys.dont_write_bytecode = True
    for name in plan.modules:
        importlib.import_module(name)
    walls = build(plan)
    if module == "-":
        json.dump([asdict(wall) for wall in walls], sys.stdout)
        return
    importlib.import_module(module).main(argument, lacking(walls) if plan.required else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
