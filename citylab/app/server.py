"""One server for all dashboards: an index page, the dashboards, the rendered notebooks; nothing from outside."""

from __future__ import annotations

import html
import importlib.util
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from citylab import settings
from citylab.errors import CitylabError

_HERE = Path(__file__).parent
LOOPBACK = ("127.0.0.1", "localhost")
_HEADING = re.compile(r"<h1[^>]*>(.*?)(?:<a |</h1>)", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page in ``dashboards/``: a module with ``TITLE``, ``QUESTION`` (Chinese, English) and ``build()``.

    ``broken`` says why a module cannot be used.
    """

    name: str
    title: tuple[str, str]
    question: tuple[str, str]
    build: Callable[[], Any] | None
    broken: str = ""


def discover(folder: Path | None = None) -> list[Dashboard]:
    """Return the dashboards of a folder, in order of their file names.

    Parameters
    ----------
    folder
        Default: the project's ``dashboards/``. Files whose name begins with ``_`` are left out.

    Returns
    -------
    list of Dashboard
        A module that fails or lacks a part comes with its reason in ``broken``, so that the others are still served.

    Examples
    --------
    >>> "city_pulse" in [d.name for d in discover()]
    True
    """
    folder = folder or settings.dashboards_dir()
    return [_dashboard(path) for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]


def _dashboard(path: Path) -> Dashboard:
    nothing = (path.stem, path.stem)
    try:
        module = _load(path)
    except Exception as error:  # a page that does not start must not take the others with it
        return Dashboard(path.stem, nothing, ("", ""), None, f"{type(error).__name__}: {error}")
    lost = [n for n in ("TITLE", "QUESTION", "build") if not hasattr(module, n)]
    if lost:
        return Dashboard(path.stem, nothing, ("", ""), None, f"{path.name} lacks {', '.join(lost)}.")
    return Dashboard(path.stem, module.TITLE, module.QUESTION, module.build)


def _load(path: Path) -> ModuleType:
    name = f"citylab_dashboards.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CitylabError(f"{path} cannot be loaded as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def rendered_notebooks(folder: Path | None = None) -> list[tuple[str, str]]:
    """Return path and heading of each rendered notebook, sorted by path.

    Parameters
    ----------
    folder
        Default: ``build/notebooks`` of the checkout, which ``make notebooks`` writes; it need not exist.
    """
    folder = folder or notebooks_dir()
    found = []
    for path in sorted(folder.rglob("*.html")):
        heading = _HEADING.search(path.read_text(encoding="utf-8", errors="replace"))
        title = html.unescape(_TAG.sub("", heading.group(1))).strip() if heading else path.stem
        found.append((path.relative_to(folder).as_posix(), title))
    return found


def notebooks_dir() -> Path:
    """Return where ``make notebooks`` puts its pages."""
    return settings.dashboards_dir().parent / "build" / "notebooks"


def index_page(dashboards: list[Dashboard], notebooks: list[tuple[str, str]], lang: settings.Language) -> str:
    """Return the start page as HTML: each dashboard with its question, and the rendered notebooks.

    Examples
    --------
    >>> page = Dashboard("air", ("空气质量", "Air quality"), ("空气变干净了吗？", "Is the air cleaner?"), None)
    >>> "Is the air cleaner?" in index_page([page], [], "en")
    True
    """
    from jinja2 import Environment

    from citylab.app.shell import css

    page = (_HERE / "index.html").read_text(encoding="utf-8")
    which = 0 if lang == "zh" else 1
    shown = [
        {"name": d.name, "title": d.title[which], "question": d.question[which], "broken": d.broken} for d in dashboards
    ]
    template = Environment(autoescape=True).from_string(page)
    return template.render(lang=lang, dashboards=shown, notebooks=notebooks, style=css("page"))


def serve(
    *,
    port: int = 5006,
    address: str = "127.0.0.1",
    num_threads: int = 4,
    warm: bool = True,
    show: bool = False,
) -> None:
    """Serve the dashboards until interrupted; print the address when ready.

    Parameters
    ----------
    port
        Port to listen on; 0 takes a free one.
    address
        Address to listen on. Pages can be opened under it and under the names of this machine only.
    num_threads
        Threads for callbacks, so that one reader does not wait for another.
    warm
        Open each page once before serving, so that no reader pays for imports.
    show
        Open a browser.

    Raises
    ------
    CitylabError
        The port is taken.
    """
    server = make_server(port=port, address=address, num_threads=num_threads, warm=warm)
    server.start()
    url = f"http://{address}:{server.port}"
    print(f"citylab serving at {url}", flush=True)
    if show:
        server.io_loop.add_callback(server.show, "/")
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        server.stop()


def make_server(
    *, port: int = 5006, address: str = "127.0.0.1", num_threads: int = 4, warm: bool = True, folder: Path | None = None
) -> Any:
    """Return the server, not yet started; :func:`serve` starts it.

    Parameters
    ----------
    port, address, num_threads, warm
        As in :func:`serve`.
    folder
        Folder of the dashboards; default: the project's.
    """
    import panel as pn
    from panel.io.server import get_server
    from tornado.web import RequestHandler

    from citylab.app import shell

    port = port or _free_port(address)
    pn.extension(*shell.EXTENSIONS, nthreads=num_threads)
    dashboards = discover(folder)
    for dashboard in dashboards:
        if dashboard.broken:
            print(f"citylab cannot serve {dashboard.name}: {dashboard.broken}", file=sys.stderr, flush=True)

    class Index(RequestHandler):
        def get(self) -> None:
            asked = self.get_query_argument("lang", settings.language())
            lang: settings.Language = "zh" if asked == "zh" else "en"
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.write(index_page(dashboards, rendered_notebooks(), lang))

    pages = {d.name: _factory(d) for d in dashboards if d.build is not None}
    if not pages:
        raise CitylabError(
            f"No dashboard can be served from {folder or settings.dashboards_dir()}; see the lines above."
        )
    folders = {"notebooks": str(notebooks_dir())} if notebooks_dir().is_dir() else {}
    try:
        return get_server(
            pages,
            port=port,
            address=address,
            websocket_origin=[f"{name}:{port}" for name in dict.fromkeys((*LOOPBACK, address))],
            title={d.name: " · ".join(d.title) for d in dashboards},
            extra_patterns=[(r"/", Index)],
            static_dirs=folders,
            use_index=False,
            ico_path=str(_HERE / "favicon.ico"),
            liveness=True,
            warm=warm,
        )
    except OSError as error:
        raise CitylabError(
            f"Cannot listen on {address}:{port} ({error.strerror or error}). Another server may run there: end it, or "
            "choose another port with --port (0 takes a free one)."
        ) from error


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _factory(dashboard: Dashboard) -> Callable[[], Any]:
    import panel as pn
    from panel.io.resources import LOCAL_DIST

    from citylab.app import shell

    def open_page() -> Any:
        if (page := pn.state.curdoc) is not None:
            # Panel sets this when it writes the HTML. A slow browser's session ends before it is used; the one that
            # the websocket then begins gets no HTML and would take its style sheets from Panel's servers outside.
            page.template_variables.setdefault("dist_url", LOCAL_DIST)
        if dashboard.build is None:
            raise CitylabError(dashboard.broken)
        try:
            return dashboard.build()
        except CitylabError as error:
            return shell.apology(" · ".join(dashboard.title), str(error))

    return open_page
