"""One dialect for everything: any ONNX model in, opset 18 of the default domain with inferred shapes out.

Why opset 18: execution providers register some kernels for one opset only, and newer ones (Pad from 19, MaxPool
and ConvTranspose from 22) silently fall back to the CPU on a GPU. Why our own conversion and not
``onnx.version_converter``: of the thirty old forms in ``tests/exporters/test_opset18.py`` it refuses or gets
wrong six (BatchNormalization-1, Pad-2, Cast-1, linear Upsample, channel-wise PRelu-6, ImageScaler), and it does
not go down from opsets above 18.
"""

from __future__ import annotations

from collections.abc import Container

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, LiftConstantsToInitializersPass, RemoveUnusedOpsetsPass

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.opset18.assignments import join_assignments
from pixelgrad.exporters.opset18.branches import take_known_branches
from pixelgrad.exporters.opset18.convert import Converter, convert_nodes
from pixelgrad.exporters.opset18.einsum import expand_einsums
from pixelgrad.exporters.opset18.folding import drop_zeros, forget_counts, keep_numbers
from pixelgrad.exporters.opset18.functions import expand_functions
from pixelgrad.exporters.opset18.grid_sample import expand_grid_samples
from pixelgrad.exporters.opset18.inference import infer_shapes, name_sizes
from pixelgrad.exporters.opset18.pooling import without_dropped_windows
from pixelgrad.exporters.opset18.shapes import check_standard
from pixelgrad.exporters.opset18.sparse import without_sparse
from pixelgrad.exporters.opset18.vectors import columns_for_vectors
from pixelgrad.exporters.opset18.wrapping import join_ends

__all__ = [
    "IR_VERSION",
    "OPSET",
    "drop_zeros",
    "forget_counts",
    "from_opset18",
    "infer_shapes",
    "keep_numbers",
    "to_opset18",
]

OPSET = 18
IR_VERSION = 8


def to_opset18(
    model: onnx.ModelProto | ir.Model,
    *,
    primitives: Container[str],
    fixed_weights: bool = False,
) -> ir.Model:
    """A copy of ``model`` in opset 18 with inferred shapes, functions inlined and constants lifted to weights.

    primitives: operators and functions that stay as they are; any other operator that ONNX itself defines as a
        function of simpler ones is expanded, as is every other model-local function.
    fixed_weights: weights that are also graph inputs (all of them before IR 4) are weights only.

    Raises :class:`NetworkError` naming operator and opset where a form has no opset 18 equivalent.
    """
    if not isinstance(model, onnx.ModelProto | ir.Model):
        raise SettingsError(f"a model is an onnx.ModelProto (onnx.load reads one), not {type(model).__name__}")
    copy = model.clone() if isinstance(model, ir.Model) else ir.from_proto(without_sparse(model))
    name_sizes(copy)
    graph = copy.graph
    if fixed_weights or copy.ir_version < 4:
        for value in [v for v in graph.inputs if v.const_value is not None]:
            graph.inputs.remove(value)
            graph.initializers[str(value.name)] = value
    try:
        copy = InlinePass(lambda function: f"{function.domain}.{function.name}" not in primitives)(copy).model
    except ValueError as error:  # functions written for another opset than the model, say
        raise NetworkError(f"a function of the network cannot be written out: {error}") from error
    opset = copy.opset_imports.get("", copy.opset_imports.get("ai.onnx", 0))
    if not opset:
        raise NetworkError("the model imports no version of the standard ONNX operators")
    graph = copy.graph
    graph.sort()
    for node in graph:
        for output in node.outputs:
            if output not in graph.outputs:
                output.shape = None
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(copy)
    convert_nodes(graph, opset)
    graph.opset_imports[""] = max(opset, OPSET)
    while take_known_branches(copy):
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(copy)
    expand_functions(copy, opset, primitives)
    graph.opset_imports[""] = OPSET
    for function in copy.functions.values():
        function.opset_imports[""] = OPSET
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(copy)
    copy.ir_version = IR_VERSION
    infer_shapes(copy)
    converter = Converter(graph, OPSET)
    changes = [join_assignments(converter), columns_for_vectors(converter), join_ends(converter)]
    if "Einsum" not in primitives:
        changes.append(expand_einsums(converter))
    if "GridSample" not in primitives:
        changes.append(expand_grid_samples(converter))
    if any(changes):
        infer_shapes(copy)
    return copy


def from_opset18(model: ir.Model) -> onnx.ModelProto:
    """Serialise; what comes out passes ``onnx.checker``, else :class:`NetworkError` says what is wrong."""
    model = InlinePass()(model).model
    without_dropped_windows(model.graph)
    RemoveUnusedOpsetsPass()(model)
    check_standard(model.graph)
    model.graph.opset_imports.setdefault("", OPSET)
    model.ir_version = IR_VERSION
    proto = ir.to_proto(model)
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise NetworkError(f"the network is not valid ONNX: {str(error).splitlines()[0]}") from error
    return proto
