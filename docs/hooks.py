"""What `make docs` does beside MkDocs: pages from elsewhere, their links, equations, settings.

A page lies in the site where it lies in the repository, those of docs/ at the top. Links are
written as they lead in the repository, and are put right here; one to a folder or to a file that
is no page becomes its text alone.
"""

import html
import os
import posixpath
import re
from pathlib import Path

from notebooks import notebook_page
from reference import settings_tables

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = ("README.md", "CHANGELOG.md", "benchmarks/*.md", "results/*/README.md")
ALSO = {"CONTRIBUTING.md": "own_method.md"}
"""What is in the site as a part of another page."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
PATH = re.compile(r"[\w./-]+\.(md|ipynb)")
FENCED = re.compile(r"(^[ ]*```.*?^[ ]*```[ ]*$)", flags=re.MULTILINE | re.DOTALL)
EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.DOTALL)


def on_files(files, config):
    """Adds the pages from outside docs/, their pictures and the notebooks."""
    from mkdocs.structure.files import File

    def add(path):
        if path not in files.src_uris:
            directory_urls = config.use_directory_urls
            files.append(File(path, str(ROOT), config.site_dir, directory_urls))

    for page in sorted(path for pattern in ELSEWHERE for path in ROOT.glob(pattern)):
        path = page.relative_to(ROOT).as_posix()
        add(path)
        for link in LINK.finditer(page.read_text()):
            target = _repository_path(path, link[3])
            if target.endswith(".png") and not target.startswith("docs/"):
                add(target)
    for notebook in sorted(ROOT.glob("examples/*.ipynb")):
        path = f"examples/{notebook.stem}.md"
        files.append(File.generated(config, path, content=notebook_page(notebook)))
    return files


def on_page_markdown(markdown, page, files, **_):
    """Puts the links right, outside of blocks of code, and the tables of settings in."""
    here = page.file.src_uri
    inside = page.file.generated_by is None and page.file.src_dir != str(ROOT)
    place = f"docs/{here}" if inside else here

    def put_right(link):
        picture, text, target, anchor = link.groups("")
        if "://" in target:
            return link[0]
        path = _repository_path(place, target).removeprefix("docs/")
        path = re.sub(r"\.ipynb$", ".md", ALSO.get(path, path))
        if path not in files.src_uris or path == here:
            return text
        if PATH.fullmatch(text) and path not in ALSO.values():  # which is for readers of files
            text = files.src_uris[path].page.title
        relative = posixpath.relpath(path, posixpath.dirname(here) or ".")
        return f"{picture}[{text}]({relative}{anchor})"

    if here == "settings.md":
        markdown = markdown.replace("<!-- tables -->", settings_tables())
    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(put_right, part) for part in parts[::2]]
    return "".join(parts)


def on_page_content(content, page, **_):
    """Equations as MathML, which browsers draw by themselves."""
    from latex2mathml.converter import convert

    def drawn(equation):
        display = "block" if equation[2] == "[" else "inline"
        drawing = convert(html.unescape(equation[3]).strip(), display=display)
        if "\\" in drawing:
            raise SystemExit(f"{page.file.src_uri}: a command that MathML lacks in {equation[3]}")
        return drawing

    return EQUATION.sub(drawn, content)


def on_post_build(config, **_):
    """Refuses a page that would load anything from the network."""
    loads = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="?(https?:)?//', re.I)
    for page in Path(config.site_dir).rglob("*.html"):
        if found := loads.search(page.read_text()):
            raise SystemExit(f"{os.path.relpath(page)} loads from the network: {found[0]}")


def _repository_path(page, target):
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
