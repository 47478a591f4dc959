"""The comparison of two states of the notebooks sees every difference, and none where there is none."""

import base64
import importlib.util
import io
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_samples import ROOT, display, good_notebook, stream
from PIL import Image

from xaicore.book import claim

spec = importlib.util.spec_from_file_location("book_compare", ROOT / "book" / "compare.py")
compare = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compare)


def encoded(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


GREY = np.full((10, 10, 3), 100)
NEARLY = GREY + (np.arange(100).reshape(10, 10, 1) == 7) * 3  # one pixel is lighter
SVG = (
    '<svg><g id="p1f"><path d="M 0.5 {x} L 2 3"/></g><use href="#p1f"/>{more}<text>score {word}</text></svg>'
)


def shown(made):
    return new_output("execute_result", {"text/plain": repr(made), "text/html": made._repr_html_()})


def stated(value, name="rises"):
    return shown(claim("It rises by {value:.1f}.", True, name=name, value=value, source="msra"))


def figure(data, kind="image/png", name="fig-one"):
    return new_code_cell(outputs=[display(kind, data)], metadata={"mystnb": {"figure": {"name": name}}})


def cell(*outputs):
    return new_code_cell(outputs=list(outputs))


def report(before, after):
    """What is said of two notebooks with these cells, once through a file as nbformat writes it."""
    files = []
    for cells in (before, after):
        nb = new_notebook(cells=[new_markdown_cell("# A title"), *cells])
        files.append(nbformat.writes(nb, version=4).encode())
    return compare.compare_notebooks("probe", *files)


def table(*rows, style=""):
    lines = "".join(f"<tr{style}>{''.join(f'<td>{item}</td>' for item in row)}</tr>" for row in rows)
    return display("text/html", f"<style>td {{ x: 1 }}</style><table>{lines}</table><p>two\n lines</p>")


EVERYTHING = [
    cell(stream("stdout", "loaded\n"), stated(0.5)),
    figure(encoded(GREY)),
    figure(SVG.format(x=1, more="", word=1), "image/svg+xml", "fig-two"),
    cell(table(("a", 1), ("b", 2))),
    cell(display("text/markdown", "*words*")),
]


def test_equal_states_have_nothing_to_report():
    assert report(EVERYTHING, EVERYTHING) == ["probe: text of 6: all equal; pictures of 2: all equal"]


def test_other_text_is_shown_as_it_reads():
    found = report(EVERYTHING, [cell(stream("stdout", "loaded\n"), stated(0.61)), *EVERYTHING[1:]])
    assert found[0] == "probe: text of 6: 1 differ; pictures of 2: all equal"
    assert found[1] == "  cell 2 (claim-rises): text"
    assert "    -It rises by 0.5. [✓]" in found and "    +It rises by 0.6. [✓]" in found
    assert (
        "    -value | 0.5" in found and "    +value | 0.61" in found
    )  # the evidence's table, without its tags
    assert not [line for line in found if "<" in line]


def test_a_row_of_a_table_is_a_line():
    found = report([cell(table(("a", 1), ("b", 2)))], [cell(table(("a", 1), ("b", 3)))])
    assert found[1:] == [
        "  cell 2: text",
        "    @@ -1,3 +1,3 @@",
        "     a | 1",
        "    -b | 2",
        "    +b | 3",
        "     two lines",
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (stream("stdout", "one\n"), stream("stdout", "two\n"), "+two"),
        (display("text/plain", "1"), display("text/plain", "2"), "+2"),
        (display("text/markdown", "*a*"), display("text/markdown", "*b*"), "+*b*"),
        (
            stream("stdout", "one\n"),
            new_output("error", ename="E", evalue="no", traceback=["E: no"]),
            "+E: no",
        ),
        (table((1,)), table((1,), style=" class='x'"), "the same text in other markup"),
        (
            display("text/html", "a<script>1</script>"),
            display("text/html", "a<script>2</script>"),
            "another script",
        ),
    ],
)
def test_every_kind_of_text_counts(before, after, says):
    assert says in "\n".join(report([cell(before)], [cell(after)]))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            figure(encoded(GREY)),
            figure(encoded(NEARLY)),
            "1.00% of the pixels differ, by at most 3 of 255 levels",
        ),
        (figure(encoded(GREY)), figure(encoded(GREY[:5])), "10×10 pixels before, of 10×5 after"),
        (
            figure(encoded(GREY, "JPEG"), "image/jpeg"),
            figure(encoded(GREY + 9, "JPEG"), "image/jpeg"),
            "at most 9",
        ),
        (figure(encoded(GREY)), figure(SVG, "image/svg+xml"), "1 pictures before, 0 after"),
        *(
            (figure(SVG.format(x=1, more="", word=1), "image/svg+xml"), figure(after, "image/svg+xml"), says)
            for after, says in (
                (SVG.format(x=1.25, more="", word=1), "numbers differ by at most 0.25"),
                (SVG.format(x=1, more="<path/>", word=1), "the drawing has other parts"),
                (SVG.format(x=1, more="", word=2), "+score 2"),
            )
        ),
        (
            cell(display("text/html", f'a<img src="data:image/png;base64,{encoded(GREY)}">')),
            cell(display("text/html", f'a<img src="data:image/png;base64,{encoded(NEARLY)}">')),
            "by at most 3 of 255 levels",
        ),
    ],
)
def test_pictures_are_compared_by_what_they_show(before, after, says):
    assert says in "\n".join(report([before], [after]))


def test_other_bytes_may_show_the_same():
    other = figure(base64.encodebytes(base64.b64decode(encoded(GREY))).decode())  # in lines
    drawn = SVG.format(x=1, more="", word=1)
    again = figure(drawn.replace("p1f", "q2e"), "image/svg+xml", "fig-two")
    assert (
        len(report([figure(encoded(GREY)), figure(drawn, "image/svg+xml", "fig-two")], [other, again])) == 1
    )


@pytest.mark.parametrize("at", range(len(EVERYTHING) + 1))
def test_an_inserted_cell_is_the_only_difference(at):
    new = cell(stream("stdout", "something new\n"), stated(0.9, "new"))
    before, after = EVERYTHING, [*EVERYTHING[:at], new, *EVERYTHING[at:]]
    added = [f"  cell {at + 2}: only after", f"  cell {at + 2} (claim-new): only after"]
    assert [line for line in report(before, after)[1:] if line.startswith("  cell")] == added
    gone = [line.replace("after", "before") for line in added]
    assert [line for line in report(after, before)[1:] if line.startswith("  cell")] == gone


def test_moved_and_split_cells_keep_their_counterparts():
    one, two = stated(0.1, "one"), stated(0.2, "two")
    assert len(report([cell(one, two)], [cell(two), cell(one)])) == 1


def test_a_changed_output_beside_a_new_one_is_recognised():
    before = [cell(stream("stdout", "hits: 19 of 20\n"))]
    after = [cell(stream("stdout", "a new line\n")), cell(stream("stdout", "hits: 18 of 20\n"))]
    found = report(before, after)
    assert "  cell 2: only after" in found and "  cell 3: text" in found and "    +hits: 18 of 20" in found


# --- states ----------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    """A repository with one notebook and one table."""
    nb = good_notebook()
    nb.cells[3].outputs = [display("image/png", encoded(GREY))]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nb, tmp_path / "notebooks" / "01_one.ipynb")
    folder = tmp_path / "xaicore" / "measured"  # where the tables once were
    folder.mkdir(parents=True)
    (folder / "evaluation.csv").write_text("a,1\nb,2\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "One"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


def test_a_revision_a_checkout_and_a_folder_of_notebooks_are_states(checkout):
    head, tree = (compare.state(where, checkout) for where in ("HEAD", str(checkout)))
    assert (
        head == tree and list(head.notebooks) == ["01_one.ipynb"] and list(head.tables) == ["evaluation.csv"]
    )
    alone = compare.state(str(checkout / "notebooks"))
    assert alone.notebooks == head.notebooks and alone.tables == {}
    assert compare.compare(head, alone)[-1] == ["tables: not in both states"]


@pytest.mark.parametrize("where", ["no-such-thing", "xaicore"])
def test_what_is_no_state_is_refused(checkout, monkeypatch, where):
    monkeypatch.chdir(checkout)
    with pytest.raises(compare.StateError, match=where):
        compare.state(where, checkout)


def test_tables_are_compared_wherever_they_are(checkout):
    head = compare.state("HEAD", checkout)
    moved = checkout / "xaicore" / "book" / "measured"
    moved.parent.mkdir()
    (checkout / "xaicore" / "measured").rename(moved)
    assert compare.compare(head, compare.state(str(checkout))) == [
        ["01_one: text of 2: all equal; pictures of 1: all equal"],
        ["tables of 1: all equal"],
    ]
    (moved / "evaluation.csv").write_text("a,1\nb,3\nc,4\n")
    (moved / "choice.csv").write_text("a,1\n")
    assert compare.compare(head, compare.state(str(checkout)))[-1] == [
        "tables of 2: 2 differ",
        "  choice.csv: only after",
        "  evaluation.csv: 1 lines went, 2 came",
    ]


def test_command_line(checkout, capsys, monkeypatch):
    monkeypatch.setattr(compare.state, "__defaults__", (checkout,))
    assert compare.main(["HEAD", str(checkout)]) == 0
    assert "01_one: text of 2: all equal" in capsys.readouterr().out
    (checkout / "notebooks" / "02_two.ipynb").write_text("{}")
    assert compare.main(["HEAD", str(checkout), "01_one"]) == 0
    assert compare.main(["HEAD", str(checkout), "01_two"]) == 2
    assert compare.main(["HEAD", str(checkout)]) == 1
    assert "02_two:\n  only after" in capsys.readouterr().out
    assert compare.main(["no-such-thing"]) == 2
    assert "neither a folder nor a revision" in capsys.readouterr().err
