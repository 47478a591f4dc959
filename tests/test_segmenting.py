"""The measures of superpixels against drawn outlines, by hand, and the table that was made of them."""

import csv

import numpy as np
import pytest
from scipy.io import savemat
from skimage.io import imsave

from benchmarks import segmenting
from xaicore.pictures.samples import sample_image
from xaicore.regions.segmenters import EACH, PIXELS

TRUTH = np.repeat([[1, 1, 1, 2, 2, 2]], 4, axis=0)


def test_the_truth_itself_is_perfect():
    assert segmenting.boundary_recall(TRUTH, TRUTH) == 1
    assert segmenting.undersegmentation_error(TRUTH, TRUTH) == 0
    assert segmenting.achievable_accuracy(TRUTH, TRUTH) == 1


def test_measures_written_out():
    """One border, a column too far to the right: one of six columns is on the wrong side."""
    labels = np.repeat([[7, 7, 7, 7, 9, 9]], 4, axis=0)
    assert segmenting.overlaps(labels, TRUTH).tolist() == [[12, 4], [0, 8]]
    assert segmenting.undersegmentation_error(labels, TRUTH) == pytest.approx((4 + 4) / 24)
    assert segmenting.achievable_accuracy(labels, TRUTH) == pytest.approx(20 / 24)
    assert segmenting.boundary_recall(labels, TRUTH, near=0) == 0.5
    assert segmenting.boundary_recall(labels, TRUTH, near=1) == 1
    assert segmenting.boundary_recall(labels, np.ones((4, 6), int)) == 1, "there is nothing to find"


def test_a_folder_like_bsds500_becomes_a_table(tmp_path, monkeypatch):
    image = sample_image("coffee")[:120, :160]
    imsave(tmp_path / "one.jpg", image)
    truth = np.empty((1, 2), object)
    for i in range(2):
        cell = np.empty((1, 1), [("Segmentation", object)])
        cell[0, 0]["Segmentation"] = (np.indices(image.shape[:2])[i] > 60).astype(np.uint16)
        truth[0, i] = cell
    savemat(tmp_path / "one.mat", {"groundTruth": truth})
    monkeypatch.setattr(segmenting, "TABLE", tmp_path / "table.csv")
    monkeypatch.setattr(segmenting, "SIZES", (5000,))
    assert segmenting.main([str(tmp_path)]) == 0
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["pixels"], row["iterations"]) for row in rows] == [
        (pixels, str(n)) for pixels in ("5000", "all") for n in segmenting.ITERATIONS
    ]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in segmenting.MEASURES)
    assert float(rows[-1]["adjusted Rand"]) == 1
    with pytest.raises(SystemExit):
        segmenting.main([str(tmp_path / "none")])


def test_the_committed_table_speaks_for_the_working_size():
    with segmenting.TABLE.open(newline="") as file:
        rows = {row["pixels"]: row for row in csv.DictReader(file) if row["iterations"] == "10"}
    small, whole = rows[str(PIXELS)], rows["all"]
    assert PIXELS == EACH * segmenting.SEGMENTS
    assert float(small["boundary recall"]) > float(whole["boundary recall"]) - 0.01
    assert (
        max(float(row["boundary recall"]) for row in rows.values()) < float(small["boundary recall"]) + 0.02
    )
    assert float(small["undersegmentation"]) == min(float(row["undersegmentation"]) for row in rows.values())
    assert float(small["undersegmentation"]) < float(whole["undersegmentation"])
    assert float(small["achievable accuracy"]) > float(whole["achievable accuracy"])
