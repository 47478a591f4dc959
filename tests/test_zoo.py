"""The table of networks: a dozen of its rows measured again; `make networks` measures them all."""

import pytest

from benchmarks.zoo import architectures, read, verdict

ROWS = {(row.source, row.network): row for row in read()}
DOZEN = [
    ("torchvision", "resnet18"),
    ("torchvision", "squeezenet1_1"),
    ("torchvision", "mobilenet_v3_small"),
    ("torchvision", "shufflenet_v2_x0_5"),
    ("timm", "tf_efficientnet_lite0"),
    ("timm", "mixer_s32_224"),
    ("timm", "vit_tiny_patch16_224"),
    ("timm", "vit_tiny_patch16_224 avg"),
    ("timm", "resnet18 avg and max"),
    ("timm", "dla34"),
    ("Hugging Face", "ResNet"),
    ("Hugging Face", "Swin"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "name"), DOZEN)
def test_a_row_of_the_table_is_measured_again(source: str, name: str) -> None:
    now, written = verdict(source, name), ROWS[source, name]
    assert now[:6] == written[:6]
    assert now.reason.partition(",")[0] == written.reason.partition(",")[0]


def test_the_table_is_whole_and_its_errors_are_small() -> None:
    assert list(ROWS) == list(architectures())
    assert len(ROWS) >= 80
    for row in ROWS.values():
        assert (row.accepted == "yes") == (row.reason == "")
        if row.accepted == "yes":
            assert float(row.error) < 1e-4
            assert row.places not in ("", "1×1")
