"""Colours and fonts, said once: the same pollutant, sector or district looks the same on every page.

And what a screen reader hears of a slider and of a box to tick, which Bokeh leaves without a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citylab.errors import suggest

if TYPE_CHECKING:
    from bokeh.document import Document

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}
"""Okabe, M., Ito, K. (2008), Color Universal Design: eight colours that colour-blind people can tell apart."""

COLOURS = {
    # pollutants
    "pm25_ugm3": OKABE_ITO["blue"],
    "pm10_ugm3": OKABE_ITO["orange"],
    "so2_ugm3": OKABE_ITO["purple"],
    "no2_ugm3": OKABE_ITO["vermilion"],
    "co_mgm3": OKABE_ITO["black"],
    "o3_ugm3": OKABE_ITO["green"],
    # sectors
    "power": OKABE_ITO["orange"],
    "industry": OKABE_ITO["purple"],
    "ground_transport": OKABE_ITO["sky"],
    "residential": OKABE_ITO["green"],
    "aviation": OKABE_ITO["yellow"],
    # modes of travel and their credits
    "walk": OKABE_ITO["green"],
    "cycle": OKABE_ITO["sky"],
    "bus": OKABE_ITO["orange"],
    "metro": OKABE_ITO["blue"],
    "car": OKABE_ITO["black"],
    "reduction_co2_kg": OKABE_ITO["green"],
    "credit_co2_kg": OKABE_ITO["green"],
    # roles
    "selected": OKABE_ITO["vermilion"],
    "reference": "#767676",
    "no_data": "#D9D9D9",
}

SEQUENTIAL = ("#00224E", "#213B6E", "#4C556C", "#6C6E72", "#8E8978", "#B2A570", "#D9C55C", "#FEE838")[::-1]
"""Eight steps of cividis, light to dark: Nuñez, Anderton, Renslow (2018). doi:10.1371/journal.pone.0199239"""

INK = "#1F2933"
MUTED = "#52606D"
GRID = "#E4E7EB"
PAPER = "#FFFFFF"

FONTS = (
    "system-ui",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "sans-serif",
)
"""Fonts of the reader's machine, Chinese ones included; none is fetched."""

TEXT_PX = 12
LARGE_PX = 16
"""Size of chart text, and of the same in larger type [px]."""


def font_stack() -> str:
    """Return the fonts as CSS.

    Examples
    --------
    >>> font_stack().endswith("sans-serif")
    True
    """
    return ", ".join(f'"{f}"' if " " in f else f for f in FONTS)


def colour(name: str) -> str:
    """Return the colour of a pollutant, sector or role.

    Examples
    --------
    >>> colour("pm25_ugm3")
    '#0072B2'
    """
    try:
        return COLOURS[name]
    except KeyError:
        raise suggest(name, COLOURS, what="colour", see="citylab.viz.theme.COLOURS") from None


def rgb(hex_colour: str) -> tuple[int, int, int]:
    """Return a colour as three numbers from 0 to 255.

    Examples
    --------
    >>> rgb("#0072B2")
    (0, 114, 178)
    """
    digits = hex_colour.lstrip("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def step(value: float, low: float, high: float) -> str:
    """Return the colour of a value on the sequential scale from ``low`` (light) to ``high`` (dark).

    Examples
    --------
    >>> step(0, 0, 10) == SEQUENTIAL[0], step(10, 0, 10) == SEQUENTIAL[-1]
    (True, True)
    """
    if high <= low:
        return SEQUENTIAL[len(SEQUENTIAL) // 2]
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return SEQUENTIAL[min(len(SEQUENTIAL) - 1, int(share * len(SEQUENTIAL)))]


_LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in relative luminance (WCAG 2.2)."""
_DARK_BELOW = 0.32
"""Luminance below which white reads better on a colour than black, as people judge it."""


def ink_on(colour: str) -> str:
    """Return black or white, whichever reads better on a colour.

    Examples
    --------
    >>> ink_on("#FFFF00"), ink_on("#7E0023")
    ('#000000', '#FFFFFF')

    References
    ----------
    Relative luminance: Web Content Accessibility Guidelines 2.2.
    """
    light = sum(w * _linear(part / 255) for w, part in zip(_LUMINANCE, rgb(colour), strict=True))
    return "#FFFFFF" if light < _DARK_BELOW else "#000000"


def _linear(share: float) -> float:
    """Return linear light from an sRGB part (IEC 61966-2-1)."""
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


SLIDER_ENDS = {"zh": ("起", "止"), "en": ("from", "to")}
"""What the two handles of a range slider are called, behind its title, by the language of the page."""

_NAME_CONTROLS = """
if (window.citylabNamesControls) { return; }
window.citylabNamesControls = true;
const named = new WeakSet();
function name_handles(view) {
  const slider = view.shadow_el.querySelector(".noUi-target");
  const handles = [...slider.querySelectorAll(".noUi-handle")];
  function name() {
    const words = ends[document.documentElement.lang] || ends.en, title = view.model.title || "";
    handles.forEach((handle, i) => {
      handle.setAttribute("aria-label", handles.length > 1 ? `${title}, ${words[i]}` : title);
    });
  }
  name();
  if (named.has(slider)) { return; }
  named.add(slider);
  view.model.properties.title.change.connect(name);
  // The slider writes this text itself, with two decimals, milliseconds for dates: say what stands in its title.
  slider.noUiSlider.on("update", (_, __, values) => {
    handles.forEach((handle, i) => handle.setAttribute("aria-valuetext", view.pretty(values[i])));
  });
}
function name_box(view) {
  const box = view.shadow_el.querySelector("input[type=checkbox]");
  if (!box) { return; }
  const name = () => box.setAttribute("aria-label", view.model.label || "");
  name();
  if (!named.has(box)) { named.add(box); view.model.properties.label.change.connect(name); }
}
for (const [type, put] of [["Slider", name_handles], ["Checkbox", name_box]]) {
  let kind = Bokeh.Models.get(type).prototype.default_view.prototype;
  while (!Object.hasOwn(kind, "render")) { kind = Object.getPrototypeOf(kind); }  // what all of its kind descend from
  const render = kind.render;
  kind.render = function () { render.call(this); put(this); };
  for (const view of Bokeh.index.query((v) => v instanceof kind.constructor)) { put(view); }
}
"""
"""Names the handles of all sliders of a page and its boxes to tick, those too that come later, in another language say.

Bokeh (3.10) offers no option for it. A handle has the role of a slider and takes the focus, so the name has to be on
it; the attributes of the widget lie on the element around it. The words beside a box are not tied to it.
"""


def name_controls(document: Document) -> None:
    """Give the sliders and boxes of a page their names for screen readers, and values in the words of the title.

    A handle is called as its slider; of the two of a range, the first *from* and the last *to*.

    Parameters
    ----------
    document
        The page that is being built; asking twice does no harm.

    Examples
    --------
    >>> from bokeh.document import Document
    >>> page = Document()
    >>> name_controls(page)
    >>> list(page.callbacks._js_event_callbacks)
    ['document_ready']

    References
    ----------
    Names and values of a slider: WAI-ARIA Authoring Practices, slider pattern.
    """
    from bokeh.models import CustomJS

    ends = {lang: list(words) for lang, words in SLIDER_ENDS.items()}
    document.js_on_event("document_ready", CustomJS(args={"ends": ends}, code=_NAME_CONTROLS))
