"""The built site: whole, self-contained, light enough, and in step with the notebooks and _config.yml.

What needs a browser is in test_browser.py.
"""

import base64
import importlib
import inspect
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
REPOSITORY = CONFIG["repository"]["url"]
COLAB = REPOSITORY.replace("https://github.com", "https://colab.research.google.com/github") + "/blob/main/"

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CONTENTS = [TOC["root"], *(page["file"] for part in TOC["parts"] for page in part["chapters"])]
CHAPTERS = [page for page in CONTENTS if page.startswith("notebooks/")]
WITH_FIGURES = [page for page in CHAPTERS if page.startswith("notebooks/0")]  # the playground has none
PROSE = sorted((ROOT / "book").glob("*.md"))
NOTEBOOKS = [ROOT / f"{chapter}.ipynb" for chapter in CHAPTERS]

# Made by Sphinx, not listed in the contents.
MADE = {"index", "search", "genindex", "py-modindex"}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def pages(site):
    """Every page, parsed, by its name in the contents."""
    files = [file for file in site.rglob("*.html") if "_static" not in file.parts]
    return {
        file.relative_to(site).with_suffix("").as_posix(): BeautifulSoup(file.read_text(), "html.parser")
        for file in files
    }


def resources(page):
    """The address of each file that a browser fetches to show the page."""
    for tag in page.select("script[src], img[src], source[src], video[src], iframe[src], embed[src]"):
        if not tag["src"].startswith("data:"):  # nothing to fetch: the picture stands in the page itself
            yield tag["src"]
    for tag in page.select("link[href]"):
        if not {"next", "prev", "index", "search", "canonical", "author"} & set(tag.get("rel", [])):
            yield tag["href"]
    for tag in page.select("[srcset]"):
        yield from (one.split()[0] for one in tag["srcset"].split(","))
    for tag in page.select("[style], style"):
        yield from addresses_in_css(tag.get("style") or tag.get_text())


def addresses_in_css(text):
    yield from re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
    yield from re.findall(r"@import\s+['\"]([^'\"]+)", text)


def elsewhere(address):
    return bool(urlsplit(address).netloc)


def target(site, page, address):
    """The file of the site that a relative address on a page means, and the anchor in it."""
    parts = urlsplit(address)
    here = site / f"{page}.html"
    return (here.parent / unquote(parts.path)).resolve() if parts.path else here, unquote(parts.fragment)


# --- the whole -----------------------------------------------------------------------------------------


def test_builds_without_a_warning(site):
    log = (site.parents[1] / "log").read_text()
    assert "build succeeded" in log
    assert "WARNING" not in log


def test_pages_are_those_of_the_contents(pages):
    assert set(pages) - MADE == set(CONTENTS)
    listed = {file.relative_to(ROOT).with_suffix("").as_posix() for file in PROSE}
    assert listed == {page for page in CONTENTS if page.startswith("book/")}


def test_first_address_leads_to_the_landing_page(pages):
    refresh = pages["index"].find("meta", attrs={"http-equiv": re.compile("refresh", re.I)})["content"]
    assert refresh.partition("url=")[2].strip("'\" ") == f"{TOC['root']}.html"


# --- links ---------------------------------------------------------------------------------------------


def test_links_lead_somewhere(site, pages):
    anchors = {
        (site / f"{name}.html").resolve(): {tag["id"] for tag in page.select("[id]")}
        for name, page in pages.items()
    }
    broken = []
    for name, page in pages.items():
        for link in page.select("a[href]"):
            address = link["href"]
            if elsewhere(address) or address.startswith(("mailto:", "javascript:")):
                continue
            file, anchor = target(site, name, address)
            if not file.is_file() or (anchor and file in anchors and anchor not in anchors[file]):
                broken.append(f"{name}: {address}")
    assert not broken


def test_next_and_previous_go_through_the_book(site, pages):
    for button, neighbours in (
        (".right-next", [*CONTENTS[1:], None]),
        (".left-prev", [None, *CONTENTS[:-1]]),
    ):
        for name, neighbour in zip(CONTENTS, neighbours, strict=True):
            found = [target(site, name, link["href"])[0] for link in pages[name].select(f"a{button}")]
            assert found == ([] if neighbour is None else [(site / f"{neighbour}.html").resolve()]), name


def test_resources_are_files_of_the_site(site, pages):
    problems = []
    for name, page in pages.items():
        for address in resources(page):
            if address.startswith("data:"):
                continue
            if elsewhere(address) or not target(site, name, address)[0].is_file():
                problems.append(f"{name}: {address}")
    for sheet in site.rglob("*.css"):
        outside = [address for address in addresses_in_css(sheet.read_text()) if elsewhere(address)]
        problems += [f"{sheet.relative_to(site)}: {address}" for address in outside]
    assert not problems


def test_no_script_of_another_host_is_named(pages):
    inline = {
        name: [
            s.get_text() for s in page.select("script:not([src])") if re.search(r"https?://\S+\.js", s.text)
        ]
        for name, page in pages.items()
    }
    assert not any(inline.values()), inline


# --- pictures ------------------------------------------------------------------------------------------


def test_pictures_have_a_real_alternative_text(pages):
    poor = []
    for name in CONTENTS:
        for picture in pages[name].select("article img"):
            alt = picture.get("alt", "").strip()
            looks_like_a_file = re.search(
                r"\.(png|jpe?g|svg|gif|webp)$|[0-9a-f]{16}|_build|_images", alt, re.I
            )
            if len(alt) < 20 or looks_like_a_file:
                poor.append(f"{name}: {picture['src']} has alt={alt!r}")
    assert not poor


def pictures_in_outputs(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [out for cell in cells if cell.cell_type == "code" for out in cell.outputs]
    return sum(any(kind.startswith("image/") for kind in out.get("data", {})) for out in outputs)


@pytest.mark.parametrize("number, chapter", list(enumerate(WITH_FIGURES, 1)))
def test_figures_are_numbered_and_captioned(pages, number, chapter):
    page = pages[chapter]
    figures = [figure for figure in page.select("article figure") if figure.find("img")]
    assert len(figures) == pictures_in_outputs(ROOT / f"{chapter}.ipynb") > 0
    for count, figure in enumerate(figures, 1):
        assert figure.select_one("figcaption .caption-number").get_text().strip() == f"Fig. {number}.{count}"
        assert len(figure.select_one("figcaption .caption-text").get_text().strip()) > 10
    assert len(page.select(".cell_output img:not(.xai-play img)")) == len(figures)


@pytest.mark.parametrize("name", CONTENTS)
def test_page_is_light(site, pages, name):
    def own_files(page_name):
        files = {target(site, page_name, a)[0] for a in resources(pages[page_name]) if not elsewhere(a)}
        return {file for file in files if "_static" not in file.relative_to(site).parts}

    weight = (site / f"{name}.html").stat().st_size + sum(file.stat().st_size for file in own_files(name))
    scripts = [tag["src"].partition("?")[0] for tag in pages[name].select("script[src]")]
    assert all("_static/" in script for script in scripts)  # so that nothing is left out of the sum
    assert weight < 2 * MEGABYTE


# --- the landing page ----------------------------------------------------------------------------------


def test_landing_page_shows_the_book(site, pages):
    page = pages[TOC["root"]]
    chapters = [target(site, TOC["root"], a["href"])[0] for a in page.select("ol.chapters a")]
    assert chapters == [(site / f"{chapter}.html").resolve() for chapter in CHAPTERS]

    ways = page.select("ul.ways > li")
    assert len(ways) == 3
    assert [len(way.select("a[href]")) for way in ways] == [1, 1, 1]


def test_landing_picture_is_the_one_of_the_notebook(site, pages):
    cells = nbformat.read(ROOT / "notebooks/04_secam.ipynb", as_version=4).cells
    (cell,) = [
        cell
        for cell in cells
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == "fig-landing"
    ]
    (data,) = [out.data["image/jpeg"] for out in cell.outputs if "image/jpeg" in out.get("data", {})]

    (shown,) = pages[TOC["root"]].select("img.landing")
    file = target(site, TOC["root"], shown["src"])[0]
    assert file.read_bytes() == base64.b64decode(data)
    assert shown["alt"] == cell.metadata["mystnb"]["image"]["alt"]
    with Image.open(file) as picture:
        assert picture.width >= 2 * picture.height  # photo, CAM and SeCAM side by side


# --- one address for everything ------------------------------------------------------------------------


def test_repository_is_named_once_in_the_settings():
    assert (ROOT / "_config.yml").read_text().count("github.com/" + REPOSITORY.partition(".com/")[2]) == 1
    assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", REPOSITORY)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_launch_button_opens_the_notebook(pages, chapter):
    (button,) = pages[chapter].select(".dropdown-launch-buttons a[href*='colab.research.google.com']")
    assert button["href"] == f"{COLAB}{chapter}.ipynb"


def test_links_into_the_repository_name_its_files(pages):
    found = 0
    for name in CONTENTS:
        for link in pages[name].select("a[href]"):
            address = link["href"]
            if "colab.research.google.com" in address:
                assert address.startswith(COLAB), f"{name}: {address}"
                file = address.removeprefix(COLAB)
            elif address.startswith(f"{REPOSITORY}/blob/"):
                file = address.removeprefix(f"{REPOSITORY}/blob/main/")
            else:
                continue
            assert (ROOT / file).is_file(), f"{name}: {address}"
            found += 1
    assert found > len(CHAPTERS)


@pytest.mark.parametrize("file", ["README.md", "book/how_to_use.md"])
def test_addresses_typed_by_hand_agree(file):
    text = (ROOT / file).read_text()
    badges = re.findall(r"https://colab\.research\.google\.com/github/[^)\s\"]+", text)
    clones = re.findall(r"(?:git clone |git\+)(https?://[^\s\"'`]+)", text)
    assert [badge for badge in badges if not badge.startswith(COLAB)] == []
    assert set(clones) == {REPOSITORY}
    if file == "README.md":
        assert {badge.removeprefix(COLAB) for badge in badges} == {f"{chapter}.ipynb" for chapter in CHAPTERS}


# --- sources -------------------------------------------------------------------------------------------


def texts():
    """The Markdown of every page, by file name."""
    for file in PROSE:
        yield file.name, file.read_text()
    for file in NOTEBOOKS:
        cells = nbformat.read(file, as_version=4).cells
        yield file.name, "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def plain(address):
    """An address without what doesn't matter: scheme, www, capitals, an arXiv version, a closing slash."""
    address = re.sub(r"^https?://(www\.)?", "", address.lower()).rstrip("/")
    address = address.replace("dx.doi.org/", "doi.org/").replace("arxiv.org/pdf/", "arxiv.org/abs/")
    return re.sub(r"(arxiv\.org/abs/[\d.]+?)(v\d+)?(\.pdf)?$", r"\1", address)


def test_cited_works_are_in_the_references():
    entries = parse_file(str(ROOT / "book/references.bib")).entries.values()
    known = {plain(entry.fields[field]) for entry in entries for field in ("url",) if field in entry.fields}
    known |= {f"doi.org/{entry.fields['doi'].lower()}" for entry in entries if "doi" in entry.fields}
    missing = []
    for name, text in texts():
        for words, address in re.findall(r"(?<!!)\[([^\]]+)\]\((https?://[^)\s]+)\)", text):
            cites = re.search(r"\b(19|20)\d\d[a-z]?$", words.strip())
            published = re.search(r"arxiv\.org/|doi\.org/|proceedings|openaccess\.thecvf", address)
            if (cites or published) and plain(address) not in known:
                missing.append(f"{name}: [{words}]({address})")
    assert not missing


def test_every_reference_is_listed(pages):
    entries = parse_file(str(ROOT / "book/references.bib")).entries
    listed = pages["book/references"].select("#references > ul > li")
    assert len(listed) == len(entries)


def test_photo_credits_name_every_sample(pages):
    from xaicore.pictures.samples import SAMPLES

    page = pages["book/credits"]
    assert [tag.get_text() for tag in page.select(".photographs code")] == list(SAMPLES)
    assert len(page.select(".photographs img")) == len(SAMPLES)
    for sample in SAMPLES.values():
        assert sample.source in page.get_text()
        assert sample.licence in page.get_text()


def test_api_page_lists_every_public_name(pages):
    anchors = {tag["id"] for tag in pages["book/api"].select("[id]")}
    missing = []
    for file in sorted((ROOT / "xaicore").rglob("[a-z]*.py")):
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        missing += [
            f"{module.__name__}.{name}"
            for name, value in vars(module).items()
            if (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == module.__name__
            and not name.startswith("_")
            and f"{module.__name__}.{name}" not in anchors
        ]
    assert not missing


def test_citation_names_the_book():
    text = " ".join((ROOT / "book/licence.md").read_text().split())
    assert f"{CONFIG['author']} ({CONFIG['copyright']}). *{CONFIG['title']}*" in text


def test_glossary_is_in_order():
    text = (ROOT / "book/glossary.md").read_text().partition("```{glossary}\n")[2]
    terms = re.findall(r"^(?![ `])(.+)$", text, re.M)
    assert terms == sorted(terms, key=str.lower)
    assert len(terms) >= 40


# --- what must not be there ----------------------------------------------------------------------------


def test_nobodys_folders_are_shown(site):
    """No path of the machine that ran the notebooks or built the site, in the pages or the copied sources."""
    folder = re.compile(r"(?<![\w/.:~-])/(root|home|Users|tmp|work|workspace|private|var/folders)/[^\s<\"']*")
    found = []
    for file in [*site.rglob("*.html"), *(site / "_sources").rglob("*.*"), site / "searchindex.js"]:
        found += [f"{file.relative_to(site)}: {match[0]}" for match in folder.finditer(file.read_text())]
        found += [f"{file.relative_to(site)}: {ROOT}"] * file.read_text().count(str(ROOT))
    assert not found


def test_directives_of_the_tool_are_not_left_raw(pages):
    raw = re.compile(r"^\s*(:::|```)\s*\{|\{(ref|numref|doc|term|cite\w*|eq)\}`", re.M)
    left = {
        name: match[0] for name in CONTENTS if (match := raw.search(pages[name].select_one("article").text))
    }
    assert not left
