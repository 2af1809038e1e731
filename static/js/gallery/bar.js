"use strict";
/* The bar that says how many are chosen, and what can be done with them. */
(() => {
  const UNITS = [["GB", 30], ["MB", 20], ["KB", 10]];

  function size(bytes) {
    const [unit, power] = UNITS.find(([, each]) => bytes >= 2 ** each) ?? ["KB", 10];
    const value = bytes / 2 ** power;
    return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`;
  }

  const pictures = (count) => `${count.toLocaleString("en")} ${count === 1 ? "picture" : "pictures"}`;

  function words(chosen) {
    if (!chosen.length) return "Tick pictures to choose them. Shift chooses a whole stretch.";
    const bytes = chosen.reduce((sum, box) => sum + Number(box.dataset.size), 0);
    const without = chosen.filter((box) => !("ready" in box.dataset)).length;
    const rest = without ? `, ${without.toLocaleString("en")} of them without a file` : "";
    return `${pictures(chosen.length)} chosen, about ${size(bytes)}${rest}`;
  }

  function show() {
    const form = document.getElementById("selection");
    const chosen = Choice.chosen();
    form.hidden = !Choice.boxes().length;
    form.classList.toggle("has-choice", chosen.length > 0);
    document.getElementById("chosen").textContent = words(chosen);
    for (const button of form.querySelectorAll("button")) button.disabled = !chosen.length;
    const ready = chosen.filter((box) => "ready" in box.dataset).length;
    const download = form.querySelector("[data-download]");
    download.disabled = !ready;
    download.querySelector("span").textContent = chosen.length === 1 ? "Download DICOM" : "Download ZIP";
  }

  /* Saving leaves everything where it is; what goes wrong is sent again as a page. */
  async function save(form, button) {
    const chosen = Choice.chosen();
    const answer = await fetch(button.formAction, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrf_token.value },
    }).catch(() => null);
    if (!answer?.ok) {
      button.dataset.plainly = "";
      return form.requestSubmit(button);
    }
    for (const box of chosen) box.closest(".tile").querySelector(".kept").hidden = false;
    document.getElementById("chosen").textContent = (await answer.json()).message;
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.target.id !== "selection" || !button || !("save" in button.dataset)) return;
    if ("plainly" in button.dataset) return;
    event.preventDefault();
    save(event.target, button);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-clear]")) Choice.setAll(Choice.boxes(), false);
  });
  document.addEventListener("choice", show);
  window.addEventListener("pageshow", () => {
    if (document.getElementById("selection")) Choice.changed();
  });
})();
