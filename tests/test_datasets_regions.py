"""Regions: boxes from text and XML, masks, and how both follow an image that is turned or of another size."""

import numpy as np
import pytest
from datasets_fixtures import BOX, SIZE, mask, picture, save, write_xml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xai_core.datasets import images, read_region
from xai_core.datasets.regions import box_faults, parse_boxes, read_xml
from xai_core.errors import SampleError
from xai_core.types import Boxes, MaskFile, Sample

numbers = st.floats(-1e6, 1e6, allow_nan=False)
corners = st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=5)


def sample(annotation, image="/nowhere.png"):
    return Sample("one", image, 0, annotation=annotation)


def kind_of(annotation, size=SIZE, image="/nowhere.png") -> str:
    with pytest.raises(SampleError) as caught:
        read_region(sample(annotation, image), size)
    return caught.value.kind


def slow_region(boxes: Boxes, size: tuple[int, int]) -> np.ndarray:
    """Return the union of boxes, pixel by pixel: a pixel is inside where its centre is, on the boxes' own grid."""
    frame = boxes.frame or size
    region = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            y, x = (row + 0.5) * frame[0] / size[0], (column + 0.5) * frame[1] / size[1]
            region[row, column] = any(a <= x < c and b <= y < d for a, b, c, d in boxes.corners)
    return region


@given(corners, st.sampled_from([" ", "; ", ";", "  ", "\t"]))
def test_boxes_survive_writing_and_reading(boxes, between):
    text = between.join(" ".join(map(repr, box)) for box in boxes)
    assert parse_boxes(text, "here") == tuple(boxes)


@given(st.text(max_size=40))
def test_any_text_gives_boxes_or_a_sample_error(text):
    try:
        boxes = parse_boxes(text, "here")
    except SampleError as error:
        assert error.kind == "file_unreadable"
    else:
        assert all(len(box) == 4 and np.isfinite(box).all() for box in boxes)


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 nan", "1 2 3 inf", "a b c d", "1,2,3,4", "1 2 3 4 5"])
def test_what_is_no_box(text):
    with pytest.raises(SampleError, match="xmin ymin xmax ymax"):
        parse_boxes(text, "here")


whole = st.tuples(st.integers(0, 24), st.integers(0, 18), st.integers(1, 25), st.integers(1, 19)).map(
    lambda b: (b[0], b[1], max(b[2], b[0] + 1), max(b[3], b[1] + 1))
)


@given(st.lists(whole, min_size=1, max_size=3), st.sampled_from([None, (38, 50), (57, 100)]))
def test_region_is_the_union_of_half_open_boxes(boxes, frame):
    scale = (frame[0] // 19, frame[1] // 25) if frame else (1, 1)
    scaled = tuple((a * scale[1], b * scale[0], c * scale[1], d * scale[0]) for a, b, c, d in boxes)
    annotation = Boxes(scaled, frame)
    region = read_region(sample(annotation), (19, 25))
    assert region.dtype == bool
    assert np.array_equal(region, slow_region(annotation, (19, 25)))


def test_a_box_thinner_than_a_pixel_keeps_one():
    region = read_region(sample(Boxes(((299.6, 10, 300, 90),), frame=(100, 300))), (10, 30))
    assert region.sum() == 8
    assert region[1:9, 29].all()


def test_no_annotation_is_none():
    assert read_region(sample(None), SIZE) is None


@pytest.mark.parametrize("box", [(10, 5, 10, 9), (10, 5, 12, 5), (12, 5, 10, 9), (12, 9, 10, 5)])
def test_reversed_boxes(box):
    assert kind_of(Boxes((BOX, box))) == "box_reversed"


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, -0.5, 5, 5), (0, 0, 85, 5), (0, 0, 5, 61), (500, 500, 600, 600)])
def test_boxes_that_leave_the_image(box):
    assert kind_of(Boxes((BOX, box))) == "box_outside"
    assert kind_of(Boxes((box,), frame=SIZE), (120, 168)) == "box_outside"


def test_a_box_may_touch_the_edge_and_every_bad_one_is_named():
    assert read_region(sample(Boxes(((0, 0, 84, 60),))), SIZE).all()
    faults = list(box_faults(sample(Boxes(((5, 5, 1, 9), BOX, (0, 0, 99, 9)))), SIZE))
    assert [fault.kind for fault in faults] == ["box_reversed", "box_outside"]


def test_mask_size_must_be_the_images(tmp_path):
    path = save(tmp_path / "m.png", mask())
    assert np.array_equal(read_region(sample(MaskFile(path)), SIZE), mask() > 0)
    for size in ((60, 85), (30, 42)):
        assert kind_of(MaskFile(path), size) == "mask_size"
    assert kind_of(MaskFile(tmp_path / "absent.png")) == "file_missing"


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_annotations_of_a_picture_on_its_side_turn_with_it(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = picture(0)
    lying[mask() > 0] = 255
    image = save(tmp_path / "i.png", lying, exif=exif)
    seen = images.read_image(image)
    drawn_lying = save(tmp_path / "m.png", mask())
    region = read_region(sample(MaskFile(drawn_lying), image), seen.shape[:2])
    assert (seen[region] == 255).all()
    assert region.sum() == (mask() > 0).sum()
    assert np.array_equal(read_region(sample(Boxes((BOX,), frame=SIZE), image), seen.shape[:2]), region)
    drawn_seen = save(tmp_path / "s.png", region)
    assert np.array_equal(read_region(sample(MaskFile(drawn_seen), image), seen.shape[:2]), region)


def test_a_mask_on_its_side_of_an_upright_picture_is_of_the_wrong_size(tmp_path):
    image = save(tmp_path / "i.png", picture(0).transpose(1, 0, 2))
    assert kind_of(MaskFile(save(tmp_path / "m.png", mask())), SIZE[::-1], image) == "mask_size"


def test_xml_gives_name_boxes_and_frame(tmp_path):
    path = write_xml(tmp_path / "a.xml", [BOX, (1, 2, 3, 4)], frame=(375, 500))
    assert read_xml(path) == ("n01440764", Boxes((BOX, (1, 2, 3, 4)), (375, 500), path))
    assert read_xml(write_xml(tmp_path / "b.xml", [BOX], frame=(0, 0)))[1].frame is None


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha">{}]><annotation><object><name>&x9;</name></object></annotation>'
)
STEPS = "".join(f'<!ENTITY x{k} "{f"&x{k - 1 or str()};" * 10}">' for k in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<annotation>",
        "<annotation><object><name>n</name></object></annotation>",
        "<annotation><object><bndbox><xmin>1</xmin></bndbox></object></annotation>",
        "<a><object><bndbox><xmin>a</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object></a>",
        "\0",
        BOMB.format(STEPS),
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>',
        '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><annotation><object>&f;</object></annotation>',
        f"<annotation>{' ' * (1 << 20)}</annotation>",
    ],
    ids=["empty", "cut", "no box", "half a box", "letters", "nul", "bomb", "external", "entity", "huge"],
)
def test_damaged_or_hostile_xml(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(SampleError) as caught:
        read_xml(tmp_path / "a.xml")
    assert caught.value.kind == "file_unreadable"
    assert "a.xml" in str(caught.value)


def test_xml_without_objects_is_an_empty_annotation(tmp_path):
    with pytest.raises(SampleError) as caught:
        read_xml(write_xml(tmp_path / "a.xml", []))
    assert caught.value.kind == "mask_empty"
    (tmp_path / "folder.xml").mkdir()
    with pytest.raises(SampleError, match=r"folder\.xml"):
        read_xml(tmp_path / "folder.xml")
