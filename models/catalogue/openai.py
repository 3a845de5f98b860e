"""The image encoders of OpenAI's CLIP: TorchScript archives whose addresses hold their SHA-256."""

from __future__ import annotations

from pixelgrad.models.catalogue.entry import Download, Entry

_SITE = "https://openaipublic.azureedge.net/clip/models"

# file, SHA-256, mebibytes, size of its images, what it is
_TABLE = (
    ("RN50", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762", 244, 224, "ResNet-50"),
    ("RN101", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599", 278, 224, "ResNet-101"),
    ("RN50x4", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd", 402, 288, "ResNet-50x4"),
    ("RN50x16", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa", 630, 384, "ResNet-50x16"),
    ("RN50x64", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c", 1291, 448, "ResNet-50x64"),
    ("ViT-B-32", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", 338, 224, "ViT-B/32"),
    ("ViT-B-16", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", 335, 224, "ViT-B/16"),
    ("ViT-L-14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", 890, 224, "ViT-L/14"),
    ("ViT-L-14-336px", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", 891, 336, "ViT-L/14@336px"),
)  # fmt: skip


def _row(file: str, sha256: str, mebibytes: int, size: int, title: str) -> Entry:
    architecture = "clip_" + file.removesuffix("-336px").replace("RN", "resnet").replace("-", "_").lower()
    return Entry(
        name=architecture + ("_336" if size == 336 else ""),
        title=f"CLIP {title} (Radford et al. 2021), its image encoder",
        preprocessing="clip",
        licence="MIT, trained on 400 million captioned images from the web",
        task="features",
        files=(Download(f"{_SITE}/{sha256}/{file}.pt", sha256=sha256, about=mebibytes * 2**20),),
        reader="pytorch",
        architecture=architecture,
        input_size=size,
        note="it knows no classes: what it puts out, layer 'embedding', is compared with that of a text",
    )


ROWS = tuple(_row(*line) for line in _TABLE)
