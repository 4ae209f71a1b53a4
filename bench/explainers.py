"""What explaining costs, in ratios: `make bench`, or `python -m bench.explainers [--threads N] [--device cuda]`.

Networks have random weights and pictures are drawn, so that nothing is downloaded: neither changes the time. The
machine may be busy: what is compared is run in turns, and a ratio is the median over turns (rates are for reading).
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import torch

from bench import packages
from xai_core.explainers import explain, lime
from xai_core.explainers.surrogate import jaccard, strongest
from xai_core.geometry import Frame
from xai_core.models.classifier import Classifier, Preprocessing
from xai_core.models.torchvision_operators import declare_missing_operators

LAYERS = {"vgg11": "features.19", "resnet50": "layer4", "mobilenetv2_100": "bn2"}
SIZE = (224, 224)
LIME_ROWS = 1000
PASS, PACKAGE_ROWS = 16, 21  # as many images as a pass has rows: whole passes, as in a long run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="threads of the network")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    cuda = asked.device == "cuda"
    quick = fast_bfloat16(asked.device)
    say(f"{processor(asked.device)}, {asked.threads} threads, torch {torch.__version__}, AMX or CUDA: {quick}\n")
    precisions = ("float32", "bfloat16") if cuda else ("float32",)
    for precision in precisions:
        bench_grad_cam(asked.device, precision, batch=128 if cuda else 16, turns=5)
    for name in ("vgg11", "resnet50") if cuda else ("mobilenetv2_100",):
        for precision in precisions:
            bench_lime(name, asked.device, precision, batch=256 if cuda else 16, images=8 if cuda else 2)
    bench_package(asked.device, ("float32", "bfloat16") if quick else ("float32",), turns=3)
    bench_bytes(asked.device)
    say(f"Peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if cuda:
        say(f"Peak memory on the device: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def processor(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else torch.cpu.get_capabilities()["cpu_name"]


def fast_bfloat16(device: str) -> bool:
    return device == "cuda" or torch.cpu.get_capabilities().get("amx_bf16", False)


def network(name: str, classes: int) -> torch.nn.Module:
    declare_missing_operators()
    import timm

    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False, num_classes=classes)


def wrap(net: torch.nn.Module, name: str, classes: int, device: str, precision: str) -> Classifier:
    names = [str(k) for k in range(classes)]
    frame = Preprocessing(Frame(SIZE))
    return Classifier(net, frame, names, {}, cam_layer=LAYERS[name], device=device, precision=precision)


def pictures(count: int) -> np.ndarray:
    """Lesion-like blobs on skin-like colours, (count, 224, 224, 3) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    frames = []
    for _ in range(count):
        frame = rng.uniform((180, 140, 110), (240, 190, 170)) + rng.normal(0, 5, (*SIZE, 3))
        for _ in range(6):
            cy, cx, r = *rng.uniform(40, 180, 2), rng.uniform(10, 50)
            frame -= rng.uniform(10, 60, 3) * (((y - cy) ** 2 + (x - cx) ** 2) < r**2)[..., None]
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return np.stack(frames)


def wait(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def in_turns(device: str, works: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Return the seconds of each work in each of `turns` turns; in a turn they run one after the other."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            wait(device)
            began = time.perf_counter()
            work()
            wait(device)
            taken[name].append(time.perf_counter() - began)
    return taken


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median over turns of what one work took over what the other took in the same turn."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def bench_grad_cam(device: str, precision: str, batch: int, turns: int) -> None:
    say(f"Grad-CAM against plain inference (logits, no graph), {precision}, batch {batch}")
    say(f"{'network':18}{'plain':>14}{'Grad-CAM':>14}{'over plain':>12}{'fraction':>10}{'grad-cam over plain':>22}")
    for name in LAYERS:
        classifier = wrap(network(name, 1000), name, 1000, device, precision)
        frames = classifier.normalise(pictures(batch))
        targets = torch.arange(batch) % 1000
        hashes = [str(k) for k in range(batch)]
        works = {
            "plain": lambda c=classifier, f=frames: c.probabilities(f),
            "ours": lambda c=classifier, f=frames, t=targets, h=hashes: explain(c, f, [t], "grad_cam", image_hashes=h),
        }
        if precision == "float32":  # the package goes through numpy, which has no bfloat16
            works["package"] = lambda c=classifier, f=frames, t=targets: packages.grad_cam(c, f, t)
        in_turns(device, works, 1)  # warms up
        took = in_turns(device, works, turns)
        plain, ours = (batch / statistics.median(took[work]) for work in ("plain", "ours"))
        cost = ratio(took["ours"], took["plain"])
        documented = f"{ratio(took['package'], took['plain']):.2f}" if "package" in took else "-"
        say(f"{name:18}{plain:9.1f} im/s{ours:9.1f} im/s{cost:12.2f}{1 / cost:10.2f}{documented:>22}")
    say("bound: going back through the head; VGG11's reads the 0.4 GB of its first dense layer once more\n")


@contextmanager
def own_passes(classifier: Classifier):
    """Yield a list that collects the seconds of each pass through the network, by which a method is measured."""
    seconds, probabilities = [], classifier.probabilities

    def timed(batch: torch.Tensor) -> torch.Tensor:
        wait(classifier.device)
        began = time.perf_counter()
        found = probabilities(batch)
        wait(classifier.device)
        seconds.append(time.perf_counter() - began)
        return found

    classifier.probabilities = timed
    try:
        yield seconds
    finally:
        del classifier.probabilities


def bench_lime(name: str, device: str, precision: str, batch: int, images: int) -> None:
    say(f"LIME on {name}, {LIME_ROWS} pictures per image, {images} images, {precision}, passes of {batch}")
    classifier = wrap(network(name, 1000), name, 1000, device, precision)
    frames = pictures(images)
    began = time.perf_counter()
    segments = np.stack([lime.segment(frame) for frame in frames])
    segmenting = time.perf_counter() - began
    padded = classifier.normalise(np.resize(frames, (batch, *frames.shape[1:])))
    hashes, wanted = [str(k) for k in range(images)], [lambda p: p.argmax(1)]

    def run(rows: int) -> float:
        wait(device)
        started = time.perf_counter()
        explain(
            classifier, padded, wanted, "lime",
            parameters={"num_samples": rows}, image_hashes=hashes, segments=segments, valid=images,
        )  # fmt: skip
        wait(device)
        return time.perf_counter() - started

    run(batch)
    with own_passes(classifier) as passes:
        total = run(LIME_ROWS)
    network_time = sum(passes)
    rate = images * LIME_ROWS / network_time
    say(f"own passes {network_time:.2f} s ({rate:.0f} pictures/s), all {total:.2f} s, {images / total:.2f} images/s")
    say(f"overhead over its own passes: {100 * (total / network_time - 1):.1f} %")
    with_segments = 100 * ((total + segmenting) / network_time - 1)
    say(
        f"segmentation, {segmenting / images:.2f} s an image on one core ({segments.max((1, 2)).mean() + 1:.0f} each), "
        f"is not counted: worker processes do it meanwhile, and it is cached; counted in full: {with_segments:.1f} %"
    )
    say("bound: the network; then composing pictures (memory), and 50 refits of the surrogate\n")


def bench_package(device: str, precisions: tuple[str, ...], turns: int) -> None:
    count = PASS * PACKAGE_ROWS
    say(f"LIME on VGG11 with 2 classes against the lime package, {PACKAGE_ROWS} pictures of each of {PASS} images,")
    say(f"segments given to both; passes of 10 there (its default), of {PASS} here")
    ours = {precision: wrap(_spread(network("vgg11", 2)), "vgg11", 2, device, precision) for precision in precisions}
    net = network("vgg11", 2).eval()
    net.load_state_dict(ours["float32"].network.state_dict())
    net.to(device)
    frames = pictures(PASS)
    segments = np.stack([lime.segment(frame) for frame in frames])
    found: dict[str, torch.Tensor] = {}

    def package() -> None:
        coefficients = [
            packages.lime(net, frame, own, PACKAGE_ROWS, str(k))
            for k, (frame, own) in enumerate(zip(frames, segments, strict=True))
        ]
        found["package"] = torch.nn.utils.rnn.pad_sequence(coefficients, True, -1.0)

    def run(precision: str) -> None:
        found[precision] = explain_lime(ours[precision], frames, segments, PACKAGE_ROWS)

    works = {precision: (lambda p=precision: run(p)) for precision in precisions} | {"package": package}
    took = in_turns(device, works, turns)
    each = {work: 1000 * statistics.median(seconds) / count for work, seconds in took.items()}
    say(f"lime package, float32, as the article calls it: {each['package']:.1f} ms a picture")
    for precision in precisions:
        say(f"ours, {precision}: {each[precision]:.1f} ms, {ratio(took['package'], took[precision]):.2f} times as fast")
    say(f"top five, the package and ours in float32: {agreement(found['package'], found['float32'])}")
    if "bfloat16" in precisions:
        exact, rough = (explain_lime(ours[p], frames, segments, 250) for p in precisions)
        say(f"top five, bfloat16 and float32, 250 pictures an image: {agreement(rough, exact)}")
    else:
        say("bfloat16: not measured, this processor has no AMX and is slower in it than in float32")
    say("bound: the network's convolutions; the gain in float32 is their memory format, and no Python between passes\n")


def explain_lime(classifier: Classifier, frames: np.ndarray, segments: np.ndarray, rows: int) -> torch.Tensor:
    """Return the coefficients of class 1 for each image, on the host, -1 beyond an image's own segments."""
    count = len(frames)
    explained = explain(
        classifier, classifier.normalise(np.resize(frames, (PASS, *SIZE, 3))), [torch.ones(count, dtype=torch.int64)],
        "lime", parameters={"num_samples": rows}, image_hashes=[str(k) for k in range(count)], segments=segments,
        valid=count,
    )[0]  # fmt: skip
    return explained.coefficients.nan_to_num(-1.0).cpu()


def agreement(a: torch.Tensor, b: torch.Tensor) -> str:
    """Return in words how well the five strongest positive segments of each image agree."""
    found = jaccard(strongest(a), strongest(b))
    return f"equal in {int((found == 1).sum())} of {len(found)} images, mean Jaccard index {float(found.mean()):.3f}"


def _spread(net: torch.nn.Module) -> torch.nn.Module:
    """Return the network with its logits spread as a trained one's are: random weights hardly tell pictures apart."""
    net = net.eval()
    frames = wrap(net, "vgg11", 2, "cpu", "float32").normalise(
        pictures(8) * (np.arange(8) % 4 > 0)[:, None, None, None]
    )
    with torch.no_grad():
        net.head.fc.weight *= 2 / (net(frames)[:, 1] - net(frames)[:, 0]).std()
        net.head.fc.bias -= net(frames).mean(0)
    return net


def bench_bytes(device: str) -> None:
    """Print what the maps of a record take in a run's parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from xai_core.runs import rows

    count = 32
    say(f"Bytes per record of what an explainer gives, VGG11, in parts of {count} as the run store compresses them")
    classifier, frames = wrap(network("vgg11", 2), "vgg11", 2, device, "float32"), pictures(count)
    batch, hashes = classifier.normalise(frames), [str(k) for k in range(count)]
    for method in ("grad_cam", "lime", "gradient"):
        found = explain(
            classifier, batch, [torch.zeros(count, dtype=torch.int64)], method,
            parameters={"num_samples": 10} if method == "lime" else None, image_hashes=hashes, frames=frames,
        )[0]  # fmt: skip
        if method == "lime":
            own = [c[~c.isnan()].cpu().numpy() for c in found.coefficients]
            parts = [
                rows.encode_segments(s.cpu().numpy(), c, float(i))
                for s, c, i in zip(found.segments, own, found.intercepts, strict=True)
            ]
        else:
            parts = [rows.encode_heatmap(heatmap.cpu().numpy()) for heatmap in found.heatmaps]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(parts), sink, compression="zstd")
        say(f"{method:12}{tuple(found.heatmaps.shape[1:])!s:>12}{len(sink.getvalue()) / len(parts):10.0f} bytes")
    say()


if __name__ == "__main__":
    main()
