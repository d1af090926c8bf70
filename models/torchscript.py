"""Whether an archive of TorchScript computes and does nothing else: its code is parsed, and nothing of it runs.

The code of an archive (`code/*.py`) is Python's syntax with few names in it: `torch.NAME` and `ops.SPACE.NAME` are
operators, everything else is the archive's own (torch/csrc/jit/serialization/python_print.cpp). Loading already runs
what a class has as `__setstate__`, so that the code is looked at before. Known are the operators of networks, listed
here; whatever is not is refused, by whichever name it would be reached.
"""

import ast
import io
import re
import zipfile
from collections.abc import Iterator

from domain.errors import ConfigurationError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPERATORS = _words(
    """
    Bool Complex ComplexImplicit Float FloatImplicit Int IntImplicit ScalarImplicit __and__ __contains__
    __derive_index __getitem__ __interpolate __is__ __isnot__ __ixor__ __lshift__ __not__ __or__ __range_length
    __round_to_zero_floordiv __rshift__ __xor__ _adaptive_avg_pool2d _adaptive_avg_pool3d
    _assert_tensor_metadata _cast_Float _convolution _convolution_mode _get_tracing_state _log_softmax
    _native_batch_norm_legit _native_batch_norm_legit_no_training _native_multi_head_attention
    _scaled_dot_product_flash_attention_for_cpu _set_item _shape_as_tensor _softmax _to_copy _unsafe_view
    _unwrap_optional _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_lanczos2d_aa
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm abs abs_ acos
    acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d add add_ addbmm addcdiv addcmul addmm addmv affine_grid_generator alias all
    alpha_dropout alpha_dropout_ amax amin angle any append arange argmax argmin argsort as_tensor asin asinh
    atan atan2 atanh atleast_1d atleast_2d avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bernoulli
    bilinear bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_tensors broadcast_to bucketize cat
    cdist ceil ceil_ celu channel_shuffle chunk clamp clamp_ clamp_max clamp_min clear clip clone col2im concat
    constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    convolution copy copy_ cos cosh cosine_similarity count_nonzero cpu cross cudnn_batch_norm cudnn_convolution
    cudnn_is_acceptable cummax cumprod cumsum degrees dequantize detach detach_ device diag diagonal dict dim
    div div_ divmod dot dropout dropout_ einsum elu elu_ embedding empty empty_like endswith eq erf erf_ erfc
    exp exp_ expand expand_as expm1 extend eye feature_alpha_dropout feature_dropout feature_dropout_ fft_fftn
    fft_fftshift fft_ifftn fft_ifftshift fft_irfftn fft_rfftn fill fill_ find flatten flip floor floor_
    floor_divide floordiv fmod format frac full full_like gather ge ge_ gelu get glu grid_sampler
    grid_sampler_2d grid_sampler_3d group_norm gru gt gt_ hardshrink hardsigmoid hardsigmoid_ hardswish
    hardswish_ hardtanh hardtanh_ hash hstack hypot im2col imag index index_add index_copy index_fill index_put
    index_put_ index_select insert instance_norm inverse is_floating_point is_nonzero is_same_size isclose
    isdigit isfinite isin isinf isnan item items join keys kthvalue layer_norm le leaky_relu leaky_relu_ len
    lerp lift_fresh lift_fresh_copy linalg_inv linalg_matrix_norm linalg_norm linalg_vector_norm linear linspace
    list log log10 log1p log2 log_sigmoid log_softmax logaddexp logical_and logical_not logical_or logical_xor
    logit logsumexp lower lstm lt lt_ masked_fill masked_fill_ masked_scatter masked_select matmul max
    max_pool1d max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices maximum mean median
    meshgrid min minimum mish mish_ mm mode moveaxis movedim mul mul_ multinomial multiply mv nan_to_num nansum
    narrow native_batch_norm native_dropout native_group_norm native_layer_norm ne neg neg_ negative new_empty
    new_full new_ones new_zeros nll_loss nonzero nonzero_numpy norm normal numel one_hot ones ones_like ord
    outer pad permute pixel_shuffle pixel_unshuffle pop pow pow_ prelu prod quantile quantize_per_tensor rand
    rand_like randint randn randn_like randperm real reciprocal reciprocal_ reflection_pad1d reflection_pad2d
    reflection_pad3d relu relu6 relu6_ relu_ remainder repeat repeat_interleave replace replication_pad1d
    replication_pad2d replication_pad3d requires_grad_ reshape reshape_as resolve_conj resolve_neg reverse rfind
    rms_norm roll rot90 round round_ rsqrt rsqrt_ rsub scaled_dot_product_attention scatter scatter_ scatter_add
    scatter_add_ searchsorted select selu selu_ setdefault sigmoid sigmoid_ sign silu silu_ sin sinh size slice
    slice_scatter smooth_l1_loss softmax softplus softshrink sort split split_with_sizes sqrt sqrt_ square
    squeeze squeeze_ stack startswith std std_mean stride strip sub sub_ sum swapaxes sym_size t take tan tanh
    tanh_ tensor tensor_split tensordot threshold threshold_ tile to topk transpose transpose_ tril triu
    true_divide trunc type_as unbind unflatten unfold unique_consecutive unsqueeze unsqueeze_ update upper
    upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d
    upsample_nearest3d upsample_trilinear3d values var var_mean view view_as vstack warn where zero_ zeros
    zeros_like
    """
)
_PRIMITIVES = _words(
    """
    AutogradZero ConstantChunk NumToTensor Print RaiseException TupleIndex TupleUnpack Uninitialized abs data
    device dtype grad is_cpu is_cuda is_sparse itemsize layout max min name nbytes ndim rangelist requires_grad
    shape tolist type unchecked_cast unchecked_unwrap_optional
    """
)
_QUANTIZED = re.compile(
    r"(add|batch_norm|cat|celu|conv|elu|hardswish|instance_norm|layer_norm|leaky_relu|linear|mul|prelu|relu)\w*"
)
# What may be said of torch besides: types, and the one place where a constant's kind is named.
_WORDS = frozenset({"Tensor", "device", "dtype", "Generator"})
_ROOTS = ("torch", "ops", "__torch__")


def refuse_other_than_networks(archive: bytes, name: str) -> None:
    """Raise ConfigurationError, which calls the file `name`, unless `archive` is TorchScript that computes alone."""
    for said in _code(archive, name):
        try:
            tree = ast.parse(said)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigurationError(f"{name}: its code cannot be read") from error
        for what in _strange(tree):
            raise ConfigurationError(f"{name}: its code uses {what}, which no network needs")


def _code(archive: bytes, name: str) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = opened.namelist()
            code = [one for one in files if "/code/" in one and not one.endswith((".debug_pkl", ".pkl"))]
            if len(set(files)) != len(files):
                raise ConfigurationError(f"{name}: two of its files have one name")
            texts = [opened.read(one).decode("utf-8") for one in code]
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise ConfigurationError(f"{name}: is no TorchScript; a pickle is never read") from error
    if not texts or not any(one.endswith("/constants.pkl") for one in files):
        raise ConfigurationError(f"{name}: is no TorchScript; a pickle is never read")
    yield from texts


def _strange(tree: ast.AST) -> Iterator[str]:
    """Each operator that is not known, and each way to one under another name."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal):
            yield "another module"
        if isinstance(node, ast.arg) and node.arg in _ROOTS:
            yield f"{node.arg} as a name of its own"
        if isinstance(node, ast.Name) and node.id in _ROOTS:
            if isinstance(node.ctx, ast.Load):
                named, called = _chain(node, parents)
                if not (_known(named) or (called and _is_own_part(named))):
                    yield ".".join(named)
            elif node.id != "ops":
                yield f"{node.id} as a name of its own"


def _chain(node: ast.Name, parents: dict[ast.AST, ast.AST]) -> tuple[tuple[str, ...], bool]:
    """This name and those that follow upon it, parted by dots; and whether what they name is called."""
    found: list[str] = [node.id]
    last: ast.AST = node
    while isinstance(here := parents.get(last), ast.Attribute):
        found.append(here.attr)
        last = here
    return tuple(found), isinstance(here, ast.Call) and here.func is last


def _is_own_part(named: tuple[str, ...]) -> bool:
    """A method of a part that a network calls `ops`: operators have a name more, and their space cannot be called."""
    return len(named) == 2 and named[0] == "ops"


def _known(named: tuple[str, ...]) -> bool:
    match named:
        case ("torch", name):
            return name in _OPERATORS or name in _WORDS
        case ("ops", "aten", name):
            return name in _OPERATORS
        case ("ops", "prim", name):
            return name in _PRIMITIVES
        case ("ops", "quantized", name):
            return bool(_QUANTIZED.fullmatch(name))
        case ("__torch__", first, *_):
            # The archive's own; `torch.classes` are those that a library registered, with whatever they do.
            return not (first == "torch" and named[2:3] in (("classes",), ("ops",)))
    return False
