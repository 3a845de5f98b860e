"""The second gradient builder: ONNX Runtime's own, for its on-device training API (C, C++, C#, Java, Python).

onnxruntime-training is frozen at 1.19.2 and writes over any other ONNX Runtime, so it lives in an environment of its
own and is driven as a subprocess; see :func:`training_python`.
"""

from pixelgrad.exporters.ort_training.artifact import write_ort_training_artifact
from pixelgrad.exporters.ort_training.environment import training_python

__all__ = ["training_python", "write_ort_training_artifact"]
