"""The ONNX model zoo's image classifiers.

The zoo left GitHub's large file storage in 2025; its files are now served, byte for byte, from the zoo's own place on
Hugging Face. SHA-256 and size are those of the zoo's manifest (``ONNX_HUB_MANIFEST.json``) and of its file pointers.
"""

from __future__ import annotations

from pixelgrad.models.catalogue.entry import Download, Entry

_SITE = "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification"
_UNSAID = "the zoo does not say how it wants its input: this is what its Caffe original takes"
_INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def _row(
    name: str,
    title: str,
    path: str,
    sha256: str,
    size: int,
    preprocessing: str = "imagenet",
    licence: str = "Apache-2.0 (ONNX model zoo)",
    signature: tuple[str, ...] = (),
    aliases: dict[str, str] | None = None,
    note: str = "",
) -> Entry:
    return Entry(
        name=f"{name}-onnx",
        title=f"{title}, ONNX model zoo",
        preprocessing=preprocessing,
        licence=licence,
        files=(Download(f"{_SITE}/{path}", sha256=sha256, size=size),),
        signature=signature,
        aliases=aliases or {},
        labels="imagenet",
        input_size=224,
        note=note,
    )


ROWS = (
    _row(
        "vgg16",
        "VGG-16 (MXNet)",
        "vgg/model/vgg16-7.onnx",
        "f20805a3ecccaa88647bbab4ad011ff2412a9838485ea844de0fcbce349820b9",
        553437328,
    ),
    _row(
        "vgg19",
        "VGG-19 (MXNet)",
        "vgg/model/vgg19-7.onnx",
        "692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f",
        574677321,
    ),
    _row(
        "vgg19-caffe2",
        "VGG-19 (Caffe2)",
        "vgg/model/vgg19-caffe2-9.onnx",
        "cfb97260b303ad3963999662456571b89c5f73dbdd2fd9dffd19fed7a90f766b",
        574674712,
        preprocessing="caffe-vgg",
        note=_UNSAID,
    ),
    _row(
        "squeezenet1_0",
        "SqueezeNet 1.0 (Caffe2)",
        "squeezenet/model/squeezenet1.0-9.onnx",
        "f2d3201f013b72988109e677e9244250f4cc02394529432972f05e1f6dcc7b62",
        4952222,
        preprocessing="caffe",
        signature=("fire2/concat_1", "pool8_1", "fire9/concat_1", "pool10_1"),
        aliases={f"fire{i}": f"fire{i}/concat_1" for i in range(2, 10)} | {"conv1": "conv1_2", "conv10": "conv10_2"},
        note=_UNSAID,
    ),
    _row(
        "squeezenet1_1",
        "SqueezeNet 1.1 (MXNet)",
        "squeezenet/model/squeezenet1.1-7.onnx",
        "1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088",
        4956208,
    ),
    _row(
        "resnet18",
        "ResNet-18 (MXNet)",
        "resnet/model/resnet18-v1-7.onnx",
        "4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c",
        46820737,
    ),
    _row(
        "resnet50",
        "ResNet-50 (MXNet)",
        "resnet/model/resnet50-v1-12.onnx",
        "ab65bdc02c5b3123eb3cdf6dac01742438517d8635d4f233913b2be1c70db3b6",
        102576419,
    ),
    _row(
        "resnet50_v2",
        "ResNet-50 of the pre-activation kind (He et al. 2016)",
        "resnet/model/resnet50-v2-7.onnx",
        "1e80e8a7c8eec8e8b20c440d7dd7f2f8590779c7c2859dc4514870dc463845d3",
        102442450,
    ),
    _row(
        "resnet50-caffe2",
        "ResNet-50 (Caffe2)",
        "resnet/model/resnet50-caffe2-v1-9.onnx",
        "78eecdb9354e71364b9df6f3b5824ecc48710938d5b4ea23724b9a2e9edbc4a6",
        102489423,
        preprocessing="caffe",
        note=_UNSAID,
    ),
    _row(
        "mobilenet_v2",
        "MobileNet V2 (MXNet)",
        "mobilenet/model/mobilenetv2-7.onnx",
        "c1c513582d56afceff8516c73804e484c81c6a830712ab6d682253f4a3cd042f",
        14246826,
    ),
    _row(
        "googlenet",
        "BVLC GoogLeNet (Caffe2)",
        "inception_and_googlenet/googlenet/model/googlenet-7.onnx",
        "5725ccfd90845735ce5897faf7843c3f9b13acda3c4f3bff82cb21c9337c9de8",
        28020232,
        preprocessing="caffe-vgg",
        licence="BSD-3-Clause (ONNX model zoo)",
        aliases={f"mixed{block}": f"inception_{block}/output_1" for block in _INCEPTIONS},
    ),
    _row(
        "inception_v1",
        "Inception v1, GoogLeNet again (Caffe2)",
        "inception_and_googlenet/inception_v1/model/inception-v1-9.onnx",
        "f8b7bb4040377b83089eef98800a15303325ed75ced468a8972a87e0bc23692e",
        28020356,
        preprocessing="caffe",
        licence="MIT (ONNX model zoo)",
        aliases={f"mixed{block}": f"inception_{block}/output_1" for block in _INCEPTIONS},
        note=_UNSAID,
    ),
    _row(
        "inception_v2",
        "Inception v2 (Caffe2)",
        "inception_and_googlenet/inception_v2/model/inception-v2-9.onnx",
        "37ed4aa93f817fd0d1cc19bda045ebd70f18d0887a5f51e66ecd0ed8fd5a65c2",
        45042799,
        preprocessing="caffe",
        licence="MIT (ONNX model zoo)",
        note=_UNSAID,
    ),
    _row(
        "alexnet",
        "BVLC AlexNet (Caffe2)",
        "alexnet/model/bvlcalexnet-12.onnx",
        "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945",
        243863787,
        preprocessing="caffe",
        note=_UNSAID,
    ),
    _row(
        "caffenet",
        "BVLC reference CaffeNet (Caffe2)",
        "caffenet/model/caffenet-8.onnx",
        "82f8997778cd9c5ef9673fc86e340f86e3b29650886b923e5e1aa478d5f83f92",
        243863553,
        preprocessing="caffe",
        note=_UNSAID,
    ),
    _row(
        "zfnet512",
        "ZFNet with 512 maps (Zeiler & Fergus 2013)",
        "zfnet-512/model/zfnet512-12.onnx",
        "c975ca6a24c0a2e1584c6f82667e0ac9c06084fc7769d267f71b4a154d1f1c72",
        349005501,
        preprocessing="caffe",
        licence="MIT (ONNX model zoo)",
        note=_UNSAID,
    ),
    _row(
        "densenet121",
        "DenseNet-121 (Caffe2)",
        "densenet-121/model/densenet-12.onnx",
        "0294e7e88e5b3360de9b0fdc321baf9e6ef18b7f058c4536caae3b9f18ed9ed5",
        32726877,
        preprocessing="caffe",
        licence="MIT (ONNX model zoo)",
        note=_UNSAID,
    ),
)
