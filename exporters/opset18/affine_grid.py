"""AffineGrid written out for an image or a volume, where the length of its sizes says which of the two it is.

ONNX's own body has an If for either; ONNX Runtime refuses to load the branch that is not taken. And it drops the axis
of the images where there is but one.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from pixelgrad.exporters.opset18.shapes import static_shape

__all__ = ["affine_grid"]


def affine_grid(node: ir.Node, opset: int) -> ir.Function | None:
    """The body of an AffineGrid node; ``None`` where its number of axes shows at run time only."""
    shape = None if node.inputs[1] is None else static_shape(node.inputs[1])
    if shape not in {(4,), (5,)}:
        return None
    count = shape[0] - 2
    is_aligned = bool(node.attributes["align_corners"].as_int())
    lines = [
        "zero = Constant <value_int = 0> ()",
        "one = Constant <value_int = 1> ()",
        *(f"c{number} = Constant <value_ints = [{number}]> ()" for number in range(6)),
        "minus = Constant <value_ints = [-1]> ()",
        "minus_one = CastLike (minus, theta)",
        "images = Slice (size, c0, c1)",
        f"space = Slice (size, c2, c{count + 2})",
        "column = Concat <axis = 0> (space, c1)",
    ]
    for axis in range(count):
        others = [other for other in range(count + 1) if other != axis]
        # Corners are at -1 and 1 where they are aligned, else half a pixel further out than the outermost pixels.
        lines += [
            f"length{axis} = Slice (space, c{axis}, c{axis + 1})",
            f"end{axis} = Squeeze (length{axis})",
            f"place{axis} = Range (zero, end{axis}, one)",
            f"twice{axis} = Mul (place{axis}, c2)",
            f"above{axis} = Add (twice{axis}, c{0 if is_aligned else 1})",
            f"less{axis} = Sub (length{axis}, c{1 if is_aligned else 0})",
            f"below{axis} = Max (less{axis}, c1)",
            f"a{axis} = CastLike (above{axis}, theta)",
            f"b{axis} = CastLike (below{axis}, theta)",
            f"share{axis} = Div (a{axis}, b{axis})",
            f"line{axis} = Add (share{axis}, minus_one)",
            f"others{axis} = Constant <value_ints = [{', '.join(map(str, others))}]> ()",
            f"along{axis} = Unsqueeze (line{axis}, others{axis})",
            f"at{axis} = Expand (along{axis}, column)",
        ]
    # theta takes x before y before z.
    coordinates = ", ".join(f"at{axis}" for axis in reversed(range(count)))
    lines += [
        "plain = CastLike (one, theta)",
        "ones = Expand (plain, column)",
        f"places = Concat <axis = -1> ({coordinates}, ones)",
        f"width = Constant <value_ints = [-1, {count + 1}]> ()",
        "rows = Reshape (places, width)",
        "turned = Transpose <perm = [0, 2, 1]> (theta)",
        "moved = MatMul (rows, turned)",
        f"shape = Concat <axis = 0> (images, space, c{count})",
        "grid = Reshape (moved, shape)",
    ]
    header = f'<domain: "", opset_import: ["" : {opset}]> AffineGrid <align_corners> (theta, size) => (grid)'
    return ir.serde.deserialize_function(onnx.parser.parse_function(f"{header} {{ {' '.join(lines)} }}"))
