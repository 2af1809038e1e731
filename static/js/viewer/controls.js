"use strict";
/* What is done to the buttons, sliders and fields. Links and the form lead to the same views
   without this script; with it nothing is loaded anew. */
function listenToControls(viewer, panel, act) {
  const form = document.getElementById("view");
  const dialled = (name, value) => act.setWindow({ ...act.window(), [name]: Number(value) });

  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button, a");
    const { do: action, tool, center, width, range } = button?.dataset ?? {};
    if (action) act.do(action);
    else if (tool) act.take(tool);
    else if (range) act.setWindow({ center: (panel.low + panel.high) / 2, width: panel.span });
    else if (center !== undefined) act.setWindow(center ? { center, width } : null);
    else if (button?.id === "again") act.again();
    else return;
    event.preventDefault();
  });

  form.addEventListener("input", ({ target }) => {
    if (target.name === "frame") act.go(Number(target.value));
    else if (target === panel.speed) act.paced();
    else if (target.id.endsWith("-slide")) dialled(target.id.replace("-slide", ""), target.value);
  });

  /* A field that was emptied gives the picture as it is stored. */
  function typed({ target }) {
    if (target.name !== "center" && target.name !== "width") return;
    const number = target.value.trim().replace(",", ".");
    if (number) dialled(target.name, number);
    else act.setWindow(null);
  }
  form.addEventListener("change", typed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    typed({ target: document.activeElement });
  });
  if (!document.fullscreenEnabled) viewer.querySelector("[data-do=full]").hidden = true;
}
