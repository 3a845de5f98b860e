"""Keras models in both formats, against Keras itself on its PyTorch backend."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import Array, run, run_several, some_image

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import load_network
from pixelgrad.exporters.networks import settle_size

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("keras", reason="needs Keras: pip install keras")
        module.utils.set_random_seed(1)
        return module


def outputs(model: Any, image: Array) -> Array:
    """As [N, C, H, W] or [N, C]."""
    result = model(np.ascontiguousarray(image.transpose(0, 2, 3, 1)), training=False).detach().numpy()
    return result.transpose(0, 3, 1, 2) if result.ndim == 4 else result


def randomised(model: Any) -> Any:
    """Weights of a size at which signals neither vanish nor grow, and statistics that differ between channels."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            randomised(layer)
            continue
        arrays = []
        for variable in layer.weights:
            shape, name = variable.shape, variable.name
            if "variance" in name:
                arrays.append(rng.uniform(0.5, 1.5, shape))
            elif len(shape) > 1:
                arrays.append(rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1])))
            else:
                arrays.append(rng.uniform(0.5, 1.2, shape) if "gamma" in name else rng.uniform(-0.2, 0.2, shape))
        layer.set_weights(arrays)
    return model


def check(model: Any, path: Path, size: int, tolerance: float = 2e-6) -> Any:
    model.save(path)
    network = load_network(path, preprocess="rgb")
    image = some_image(size)
    expected = outputs(model, image)
    last = str(network.model.graph.outputs[0].name)
    if network.declared_size is not None:
        settle_size(network, [network.layer(last)])
    actual = run(network, image, last)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))
    return network


# What a row adds behind an input of 13 x 13 x 3 and a convolution to 8 channels.
LAYERS: dict[str, Any] = {
    "same, stride 1": lambda k: [k.Conv2D(4, (2, 5), padding="same")],
    "same, stride 2": lambda k: [k.Conv2D(4, 3, strides=2, padding="same", activation="tanh")],
    "same, stride 3, even kernel": lambda k: [k.Conv2D(4, 4, strides=3, padding="same", use_bias=False)],
    "dilated": lambda k: [k.Conv2D(4, 3, dilation_rate=2, padding="same")],
    "groups": lambda k: [k.Conv2D(4, 3, groups=2)],
    "depthwise": lambda k: [k.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same")],
    "separable": lambda k: [k.SeparableConv2D(6, 3, padding="same", activation="relu")],
    "transposed, same": lambda k: [k.Conv2DTranspose(4, 3, strides=2, padding="same")],
    "transposed, valid": lambda k: [k.Conv2DTranspose(4, 4, strides=2, activation="elu")],
    "norm": lambda k: [k.BatchNormalization(epsilon=0.01)],
    "norm without scale": lambda k: [k.BatchNormalization(scale=False)],
    "norm without offset": lambda k: [k.BatchNormalization(center=False)],
    "max pool": lambda k: [k.MaxPooling2D(3, strides=2, padding="same")],
    "average pool": lambda k: [k.AveragePooling2D(3, strides=2, padding="same")],
    "average pool, tiles": lambda k: [k.AveragePooling2D((2, 3))],
    "global average": lambda k: [k.GlobalAveragePooling2D(), k.Dense(3, activation="softmax")],
    "global max, kept": lambda k: [k.GlobalMaxPooling2D(keepdims=True), k.Dense(3)],
    "flatten": lambda k: [k.Flatten(), k.Dropout(0.5), k.Dense(5, activation="gelu")],
    "reshape": lambda k: [k.Reshape((8, 11, 11)), k.Conv2D(2, 1)],
    "reshape of a vector": lambda k: [k.GlobalAveragePooling2D(), k.Reshape((1, 1, 8)), k.Conv2D(2, 1)],
    "reshape to a vector": lambda k: [k.Reshape((968,)), k.Dense(3)],
    "padding": lambda k: [k.ZeroPadding2D(((1, 2), (0, 3))), k.Cropping2D(((0, 1), (2, 0)))],
    "upsampling": lambda k: [k.UpSampling2D((2, 3))],
    "upsampling, bilinear": lambda k: [k.UpSampling2D(2, interpolation="bilinear")],
    "relu with a top": lambda k: [k.ReLU(6.0)],
    "relu with a slope": lambda k: [k.ReLU(negative_slope=0.2)],
    "leaky relu": lambda k: [k.LeakyReLU(negative_slope=0.15)],
    "elu": lambda k: [k.ELU(0.7)],
    "prelu": lambda k: [k.PReLU(shared_axes=[1, 2])],
    "softmax": lambda k: [k.Softmax()],
    "rescaling": lambda k: [k.Rescaling(2.0, offset=-1.0)],
    "normalization": lambda k: [k.Normalization(mean=[0.1] * 8, variance=[0.5] * 8)],
    **{
        f"activation {name}": lambda k, name=name: [k.Activation(name)]
        for name in ("relu6", "swish", "hard_sigmoid", "hard_swish", "softplus", "softsign", "selu", "exponential",
                     "leaky_relu", "sigmoid", "linear", "gelu")
    },
}  # fmt: skip


@pytest.mark.parametrize("row", LAYERS)
def test_layers(keras: Any, tmp_path: Path, row: str) -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((13, 13, 3)), layers.Conv2D(8, 3), *LAYERS[row](layers)])
    check(randomised(model), tmp_path / "net.keras", 13)
    check(model, tmp_path / "net.h5", 13)


@pytest.mark.parametrize(
    ("suffix", "version", "slope"),
    [
        ("keras", "2.15.0", 0.2),
        ("keras", "3.0.5", 1 / 6),
        ("keras", None, 1 / 6),
        ("h5", "2.2.4-tf", 0.2),
        ("h5", "3.0.5", 1 / 6),
        ("h5", None, 0.2),  # of Keras 1
    ],
)
def test_the_hard_sigmoid_of_the_keras_that_wrote_it(
    keras: Any, tmp_path: Path, suffix: str, version: str | None, slope: float
) -> None:
    """0.2 x + 0.5 in Keras 1 and 2, x / 6 + 0.5 since."""
    layers = keras.layers
    model = randomised(keras.Sequential([keras.Input((9, 9, 3)), layers.Conv2D(4, 3, activation="hard_sigmoid")]))
    path = tmp_path / f"net.{suffix}"
    model.save(path)
    _rewrite_version(path, version)
    network = load_network(path, preprocess="rgb")
    last = str(network.model.graph.outputs[0].name)
    x, found = run_several(network, some_image(9), [f"{last}/before_hard_sigmoid", last])
    np.testing.assert_allclose(found, np.clip(x * slope + 0.5, 0, 1), rtol=1e-6, atol=1e-6)


def _rewrite_version(path: Path, version: str | None) -> None:
    import json
    import zipfile

    import h5py

    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            del file.attrs["keras_version"]
            if version is not None:
                file.attrs["keras_version"] = version.encode()
        return
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["metadata.json"] = json.dumps({} if version is None else {"keras_version": version}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def branching(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((20, 24, 3))
    shared = layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    x = layers.Conv2D(3, 1)(image)
    a, b = shared(x), shared(image)
    joined = layers.Concatenate(name="joined")([a, b, layers.Subtract()([a, b])])
    tall = layers.Concatenate(axis=1)([joined, joined])
    more = [op()([a, b]) for op in (layers.Add, layers.Multiply, layers.Maximum, layers.Minimum, layers.Average)]
    inner = keras.Sequential(
        [keras.Input((40, 24, 12)), layers.Conv2D(2, 3, name="within"), layers.BatchNormalization()]
    )
    y = layers.Add()([layers.GlobalAveragePooling2D()(value) for value in more])
    z = layers.Concatenate()([y, layers.GlobalMaxPooling2D()(inner(tall))])
    return randomised(keras.Model(image, layers.Dense(3, name="last")(z)))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_functional_models_that_branch_share_and_nest(keras: Any, tmp_path: Path, suffix: str) -> None:
    model = branching(keras)
    path = tmp_path / f"net.{suffix}"
    model.save(path)
    network = load_network(path, preprocess="rgb")
    assert network.declared_size == (20, 24)
    image = np.random.default_rng(3).random((1, 3, 20, 24), dtype=np.float32)
    np.testing.assert_allclose(run(network, image, "last"), outputs(model, image), rtol=1e-5, atol=1e-5)
    before, after = run_several(network, image, ["shared/before_relu", "shared"])
    np.testing.assert_array_equal(after, np.maximum(before, 0))
    assert network.layer("within") is not None


def test_names_of_groups_from_before_they_were_written_down(keras: Any, tmp_path: Path) -> None:
    """Keras 3.0 to 3.5 name the groups of weights by class and number only."""
    import zipfile

    import h5py

    layers = keras.layers
    stack = [keras.Input((9, 9, 3)), *(layers.Conv2D(3, 3, name=name) for name in ("b", "a", "c"))]
    model = randomised(keras.Sequential([*stack, layers.BatchNormalization(name="n")]))
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        (tmp_path / "w.h5").write_bytes(new.read("model.weights.h5"))
        with h5py.File(tmp_path / "w.h5", "r+") as file:
            file.visititems(lambda _, item: item.attrs.pop("name", None) and None)
        old.writestr("config.json", new.read("config.json"))
        old.writestr("model.weights.h5", (tmp_path / "w.h5").read_bytes())
    network = load_network(tmp_path / "old.keras", preprocess="rgb")
    np.testing.assert_allclose(run(network, some_image(9), "n"), outputs(model, some_image(9)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("MobileNet", 96),
        ("MobileNetV2", 96),
        ("ResNet50", 64),
        ("DenseNet121", 64),
        ("InceptionV3", 96),
        ("Xception", 96),
        ("EfficientNetB0", 64),
    ],
)
def test_applications(keras: Any, tmp_path: Path, name: str, size: int) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)
    check(randomised(model), tmp_path / "net.keras", size, tolerance=1e-5)


@pytest.mark.parametrize(
    ("name", "wants"), [("resnet50", "caffe-vgg"), ("resnet101v2", "tf"), ("densenet121", "imagenet"), ("mine", "rgb")]
)
def test_what_the_networks_of_keras_want_is_known_by_their_names(
    keras: Any, tmp_path: Path, name: str, wants: str
) -> None:
    """ResNets of the second version are fed otherwise than those of the first."""
    model = keras.Sequential([keras.Input((13, 13, 3)), keras.layers.Conv2D(4, 3)], name=name)
    model.save(tmp_path / "net.keras")
    assert load_network(tmp_path / "net.keras").preprocessing.name == wants


@pytest.mark.slow
@pytest.mark.parametrize("top", [True, False])
def test_vgg_with_and_without_its_model(keras: Any, tmp_path: Path, top: bool) -> None:
    """Also the files that Keras publishes: weights alone, in groups by layer."""
    import h5py

    model = randomised(keras.applications.VGG16(weights=None, include_top=top, input_shape=(224, 224, 3)))
    whole = check(model, tmp_path / "vgg.h5", 224, tolerance=1e-5)
    assert whole.layer("relu1_1") is whole.layer("block1_conv1")
    assert load_network(tmp_path / "vgg.h5").preprocessing.name == "caffe-vgg"
    with h5py.File(tmp_path / "vgg.h5") as source, h5py.File(tmp_path / "weights.h5", "w") as target:
        for key in source["model_weights"]:
            source.copy(f"model_weights/{key}", target)
        target.attrs["layer_names"] = source["model_weights"].attrs["layer_names"]
    alone = load_network(tmp_path / "weights.h5")
    assert (alone.preprocessing.name, alone.declared_size) == ("caffe-vgg", (224, 224) if top else None)
    last = "predictions" if top else "block5_pool"
    for a, b in zip(*(run_several(load_network(tmp_path / f"{n}.h5"), some_image(224), ["relu3_2", last])
                      for n in ("weights", "vgg")), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)


def test_models_that_cannot_be_used(keras: Any, tmp_path: Path) -> None:
    layers, path = keras.layers, tmp_path / "net.keras"

    def message(*stack: Any, suffix: str = "keras") -> str:
        where = path.with_suffix(f".{suffix}")
        keras.Sequential(list(stack)).save(where)
        with pytest.raises(NetworkError) as caught:
            load_network(where)
        return str(caught.value)

    image = keras.Input((8, 8, 3))
    assert "'own' of class 'LayerNormalization', which is not supported; supported are Activation, Add" in message(
        image, layers.Conv2D(2, 3), layers.LayerNormalization(name="own")
    )
    assert "takes input of shape [None, 5]" in message(keras.Input((5,)), layers.Dense(2))
    assert "no image input" in message(keras.Input((8, 8, 1)), layers.Conv2D(2, 3))
    model = keras.Sequential([image, layers.Conv2D(2, 3)])
    model.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(NetworkError, match="weights without the model that they belong to"):
        load_network(tmp_path / "net.weights.h5")
