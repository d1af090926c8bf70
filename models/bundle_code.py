"""What code a MONAI bundle's configs hold beyond what every bundle says. Reads them; evaluates nothing.

A config is a program: `_target_` calls what it names, a text that begins with `$` is Python (MONAI's bundle
specification; MONAI itself restricts neither). Known are, and nothing else:

- a `_target_` that is a layer of `torch.nn` or a part of MONAI that models/bundle_parts.py lists (written bare or as
  `monai....Class`), with arguments that are listed there, and where that matters with values;
- an import of a module of ROOTS, which by itself does nothing;
- an expression of references, literals, operators, comprehensions and lambdas that calls references, their METHODS,
  BUILTINS and the FUNCTIONS named here.

Everything else is the bundle's own code, and a person has to trust it. What runs, trusted or not, runs behind the walls
of inference_worker/walls.
"""

import ast
import re
from collections.abc import Iterator, Mapping

from models.bundle_parts import ARGUMENTS, is_known, unknown_argument


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PACKAGES = (
    "monai.data", "monai.engines", "monai.handlers", "monai.inferers", "monai.losses", "monai.metrics",
    "monai.networks", "monai.transforms", "monai.visualize", "torch.nn", "ignite.handlers", "ignite.metrics",
)  # fmt: skip

ROOTS = _words("copy functools glob ignite itertools json math monai numpy os pathlib torch")
BUILTINS = _words(
    """
    abs all any bool dict enumerate filter float int isinstance len list map max min range reversed round set slice
    sorted str sum tuple zip
    """
)
FUNCTIONS = _words(
    """
    copy.deepcopy glob.glob math.ceil math.floor os.path.basename os.path.dirname os.path.exists os.path.join
    os.path.splitext pathlib.Path monai.__version__ monai.config.print_config monai.data.load_decathlon_datalist
    monai.data.list_data_collate monai.data.utils.no_collation monai.data.utils.list_data_collate
    monai.handlers.from_engine monai.handlers.utils.from_engine monai.networks.utils.copy_model_state
    monai.utils.CommonKeys.IMAGE monai.utils.CommonKeys.LABEL monai.utils.CommonKeys.PRED
    monai.utils.set_determinism numpy.array numpy.bool_ numpy.clip numpy.float16 numpy.float32 numpy.float64
    numpy.int16 numpy.int32 numpy.int64 numpy.int8 numpy.pi numpy.uint16 numpy.uint32 numpy.uint8 numpy.where
    torch.argmax torch.bfloat16 torch.bool torch.cat torch.clamp torch.cuda.device_count torch.cuda.is_available
    torch.device torch.float torch.float16 torch.float32 torch.half torch.int torch.int16 torch.int32 torch.int64
    torch.int8 torch.jit.load torch.long torch.nan_to_num torch.sigmoid torch.softmax torch.stack torch.sum
    torch.tensor torch.uint8 torch.unsqueeze torch.where torch.zeros_like
    """
)
METHODS = _words(
    """
    all amax any argmax as_tensor astype bool clamp clone copy cpu cuda data detach device dtype endswith eval
    exists float get half inferer int items keys long lower lstrip max mean meta min ndim network output parent
    permute reshape rstrip run shape sigmoid size softmax split squeeze startswith state stem strip sum suffix T to
    train type transpose unsqueeze upper values view
    """
)

# What calls in expressions are given by name; a reader or a place is none of it.
_KEYWORDS = (ARGUMENTS - _words("reader output_dir load_path")) | _words(
    "base_dir data_list_key requires_grad reverse default min max"
)

_ALIASES = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}
_REFERENCE = re.compile(r"@\w*(?:::\w*)*")
_CLASS = re.compile(r"[A-Z]\w*")
_ORDINARY_NODES = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.Constant, ast.Dict, ast.FormattedValue, ast.GeneratorExp, ast.IfExp,
    ast.JoinedStr, ast.List, ast.ListComp, ast.Set, ast.SetComp, ast.DictComp, ast.Slice, ast.Starred, ast.Subscript,
    ast.Tuple, ast.UnaryOp,
)  # fmt: skip
# Parts of the above that say nothing by themselves.
_PARTS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context, ast.keyword, ast.comprehension, ast.arg)


def own_code(config: object) -> tuple[str, ...]:
    """A sentence for each thing in `config` (parsed JSON or YAML) that is not known; empty for an ordinary bundle."""
    aliases = _ALIASES | dict(_imported(config))
    return tuple(sentence for where, value in _items(config, "") for sentence in _judge(where, value, aliases))


def _items(config: object, where: str) -> Iterator[tuple[str, object]]:
    """Every table and every text with its id, as MONAI writes ids."""
    if isinstance(config, Mapping):
        yield where, config
    pairs = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for key, value in pairs:
        yield from _items(value, f"{where}#{key}" if where else str(key))
    if isinstance(config, str):
        yield where, config


def _imported(config: object) -> Iterator[tuple[str, str]]:
    """Names that import statements bind, with what they stand for."""
    for _, value in _items(config, ""):
        statement = _statement(value) if isinstance(value, str) and value.startswith("$") else None
        if isinstance(statement, ast.Import | ast.ImportFrom):
            module = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
            for one in statement.names:
                # Without "as", `import a.b` gives the name a.b to MONAI and the name a to Python.
                yield (
                    one.asname or one.name.partition(".")[0],
                    module + (one.name if one.asname or module else one.name.partition(".")[0]),
                )


def _statement(text: str) -> ast.stmt | None:
    """The one statement behind the `$`; None where it is none or several."""
    code = _REFERENCE.sub("reference", text[1:].replace("#", "::")).strip()
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    return body[0] if len(body) == 1 else None


def _judge(where: str, value: object, aliases: Mapping[str, str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _component(where, value)
    elif not isinstance(value, str):
        return
    elif value.startswith("%") and re.search(r"\.(json|ya?ml)\b", value, re.IGNORECASE):
        yield f"{where}: reads another config, {value!r}"
    elif value.startswith("$"):
        unknown = _unknown(_statement(value), aliases)
        if unknown:
            yield f"{where}: {value!r} {unknown}"


def _component(where: str, value: Mapping[str, object]) -> Iterator[str]:
    if "_target_" in value:
        target = value["_target_"]
        if not isinstance(target, str):
            yield f"{where}: its _target_ is no text"
        elif not target.startswith("$") and target not in FUNCTIONS and not ordinary_target(target):
            yield f"{where}: calls {target!r}"
        elif not target.startswith("$"):
            faults = (unknown_argument(name, given) for name, given in value.items() if not name.startswith("_"))
            yield from (f"{where}: gives {target!r} {fault}" for fault in faults if fault)
    if value.get("_mode_", "default") not in ("default", "callable"):
        yield f"{where}: its _mode_ {value['_mode_']!r} is for debugging"


def ordinary_target(target: str) -> bool:
    """Whether `target` is a class that a bundle may name without being trusted. A bare name is MONAI's to look up."""
    module, _, name = target.rpartition(".")
    if f"{module}.".startswith("torch.nn."):
        return bool(_CLASS.fullmatch(name))
    return is_known(name) and (not module or any(f"{module}.".startswith(f"{one}.") for one in PACKAGES))


def _unknown(statement: ast.stmt | None, aliases: Mapping[str, str]) -> str:
    """What is not known in a statement, in words; empty where all is."""
    if isinstance(statement, ast.Import):
        unknown = [one.name for one in statement.names if one.name.partition(".")[0] not in ROOTS]
        return f"imports {', '.join(unknown)}" if unknown else ""
    if isinstance(statement, ast.ImportFrom):
        # What is imported can be called by reference, so that it must be known by itself.
        whole = [f"{statement.module}.{one.name}" for one in statement.names]
        unknown = [one for one in whole if one not in FUNCTIONS and not ordinary_target(one)]
        return f"imports {', '.join(unknown)}" if unknown else ""
    if not isinstance(statement, ast.Expr):
        return "is no expression that could be read"
    try:
        return _Expression(statement.value, aliases).unknown(statement.value)
    except RecursionError:
        return "is too deep to be read"


class _Expression:
    """One expression, with the names that it binds itself."""

    def __init__(self, tree: ast.expr, aliases: Mapping[str, str]) -> None:
        bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        self._bound = bound | stored | {"reference"}
        self._aliases = aliases

    def unknown(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name | ast.Attribute):
            return self._name(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Lambda):
            return self._any(node.body, *node.args.defaults, *filter(None, node.args.kw_defaults))
        if not isinstance(node, _ORDINARY_NODES + _PARTS):
            return f"holds a {type(node).__name__}"
        return self._any(*ast.iter_child_nodes(node))

    def _any(self, *nodes: ast.AST) -> str:
        return next(filter(None, map(self.unknown, nodes)), "")

    def _call(self, node: ast.Call) -> str:
        # The one assignment that bundles make: a switch of torch's backends.
        setting = isinstance(node.func, ast.Name) and node.func.id == "setattr" and node.args
        if setting and (self._dotted(node.args[0]) or "").startswith("torch.backends."):
            return self._any(*node.args[1:])
        named = next((f"the argument {one.arg!r}" for one in node.keywords if one.arg not in _KEYWORDS), "")
        return f"gives {named}" if named else self._any(node.func, *node.args, *node.keywords)

    def _name(self, node: ast.Name | ast.Attribute) -> str:
        dotted = self._dotted(node)
        if dotted is not None:
            return "" if dotted in FUNCTIONS or ordinary_target(dotted) else f"uses {dotted}"
        if isinstance(node, ast.Name):
            return "" if node.id in self._bound or node.id in BUILTINS else f"uses {node.id}"
        return self.unknown(node.value) if node.attr in METHODS else f"uses .{node.attr}"

    def _dotted(self, node: ast.AST) -> str | None:
        """The full name of what a chain that begins with an imported name stands for; None for every other chain."""
        if isinstance(node, ast.Name):
            # A name that the expression binds hides the module of that name, wherever it is bound.
            return None if node.id in self._bound else self._aliases.get(node.id)
        root = self._dotted(node.value) if isinstance(node, ast.Attribute) else None
        if root is None or not isinstance(node, ast.Attribute):
            return None
        return None if root in FUNCTIONS or ordinary_target(root) else f"{root}.{node.attr}"
