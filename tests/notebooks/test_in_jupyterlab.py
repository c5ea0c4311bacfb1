"""The first notebook in a real JupyterLab, as ``make lab`` opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

KERNEL_IDLE = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
RUN_ALL = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells') }"
OUTPUTS = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  const found = [];
  for (let i = 0; i < cells.length; i++) {
    const cell = cells.get(i);
    if (cell.type === 'code') found.push(cell.outputs.toJSON().map(o => [o.output_type, Object.keys(o.data ?? {})]));
  }
  return found;
}"""
PICTURES_DRAWN = """() => {
  const deep = (node, tag) => [...node.querySelectorAll('*')].flatMap(
    e => [...(e.matches(tag) ? [e] : []), ...(e.shadowRoot ? deep(e.shadowRoot, tag) : [])]);
  return deep(document, 'canvas').filter(c => c.width > 100 && c.height > 100).length;
}"""
PATIENCE_MS = 180_000


@pytest.mark.browser
def test_the_first_notebook_runs_in_jupyterlab_and_asks_for_nothing_outside(
    workbench: Any, visit: Callable[..., Any]
) -> None:
    seen = visit(workbench.lab, viewport={"width": 1440, "height": 900})
    page = seen.page
    page.set_default_timeout(PATIENCE_MS)
    page.wait_for_function(KERNEL_IDLE)
    page.evaluate(RUN_ALL)
    outputs = page.evaluate(OUTPUTS)
    assert outputs
    assert not [o for cell in outputs for o in cell if o[0] == "error"]
    assert any("application/vnd.holoviews_exec.v0+json" in kinds for cell in outputs for _, kinds in cell)
    page.evaluate("() => { document.querySelectorAll('.jp-WindowedPanel-outer').forEach(e => e.scrollTop = 1e6) }")
    page.wait_for_function(PICTURES_DRAWN)
    assert not seen.outside, f"the notebook asked for {seen.outside}"
