"""One file per family of operators; importing them fills the table."""

from pixelgrad.exporters.autodiff.rules import (  # noqa: F401
    activations,
    conv,
    elementwise,
    indexing,
    linalg,
    normalization,
    padding,
    pooling,
    reduction,
    resize,
    scatter,
    shape,
)
