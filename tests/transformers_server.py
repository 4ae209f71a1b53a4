"""``transformers serve`` for the tests: also beside a torchvision whose compiled operators do not load.

``python transformers_server.py FOLDER PORT``. There torchvision cannot decode pictures either: Pillow does it.
"""

from __future__ import annotations

import io
import sys


def decode(data, mode=None, **_: object):
    """Return what ``torchvision.io.decode_image`` would: (3, H, W) uint8."""
    import numpy as np
    import torch
    from PIL import Image

    picture = Image.open(io.BytesIO(data.numpy().tobytes())).convert("RGB")
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def main() -> None:
    from xai_core.models.torchvision_operators import declare_missing_operators

    if declare_missing_operators():
        import torchvision.io

        torchvision.io.decode_image = decode
    from transformers.cli.transformers import main as serve

    folder, port = sys.argv[1:]
    sys.argv = ["transformers", "serve", folder, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    serve()


if __name__ == "__main__":
    main()
