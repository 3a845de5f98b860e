"""Style transfer in an application: an artifact, NumPy and ONNX Runtime, and nothing of pixelgrad.

pixelgrad export style -o style.pixelgrad        # once, wherever pixelgrad is installed
"""

import numpy as np
import onnxruntime as ort


def stylise(folder, content, style, steps=300, rate=0.02):
    """content, style: float32 [1, 3, H, W], RGB in [0, 1], of any sizes. Returns the stylised content."""
    options = ort.SessionOptions()
    options.enable_mem_pattern = False  # less memory, same speed
    options.log_severity_level = 3  # no warnings that weights, which can be changed, are inputs
    train, evaluate, adam = (
        ort.InferenceSession(f"{folder}/{name}_model.onnx", options) for name in ("training", "eval", "optimizer")
    )
    names = [output.name for output in evaluate.get_outputs()]
    wanted = {False: evaluate.run(names, {"image": content}), True: evaluate.run(names, {"image": style})}
    targets = {name: wanted[name.startswith("target.style.")][index] for index, name in enumerate(names)}

    image, nothing = content, np.zeros_like(content)
    state = {"first_moment": nothing, "second_moment": nothing, "average": nothing}
    results = ["new_image", "averaged_image", *(f"new_{name}" for name in state)]
    for step in range(1, steps + 1):
        gradient = train.run(["gradient"], {"image": image, **targets})[0]  # "loss" is there too
        count = np.array(step, np.float32)
        feeds = {"image": image, "gradient": gradient, **state, "learning_rate": np.array(rate, np.float32)}
        image, shown, *moments = adam.run(results, {**feeds, "step": count, "average_step": count})
        state = dict(zip(state, moments, strict=True))
    return shown
