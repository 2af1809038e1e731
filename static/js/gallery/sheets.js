"use strict";
/* Sheets: all of one at once; and one that spans two pages is one sheet. */
(() => {
  const boxesOf = (sheet) => [...sheet.querySelectorAll('input[name="upload"]')];

  function showHowMany(sheet) {
    const boxes = boxesOf(sheet);
    const on = boxes.filter((box) => box.checked).length;
    const all = sheet.querySelector("[data-all]");
    if (!all) return;
    all.checked = on > 0 && on === boxes.length;
    all.indeterminate = on > 0 && on < boxes.length;
  }

  function showAll() {
    for (const sheet of document.querySelectorAll(".study")) showHowMany(sheet);
    for (const box of Choice.boxes()) box.closest(".tile").classList.toggle("is-chosen", box.checked);
  }

  /* What follows of a sheet joins it where it is the last one; the older pictures stay below. */
  function join() {
    for (const sheet of document.querySelectorAll(".study[data-sheet]")) {
      const before = sheet.previousElementSibling;
      if (before?.dataset.sheet !== sheet.dataset.sheet) continue;
      before.querySelector(".tiles").append(...sheet.querySelector(".tiles").children);
      const reached = sheet.querySelector(".study-count");
      if (reached.dataset.upTo) before.querySelector(".study-count").textContent = reached.dataset.upTo;
      else before.querySelector(".study-count").textContent = `${boxesOf(before).length} pictures`;
      before.classList.remove("is-small", "is-middle");
      sheet.remove();
    }
  }

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    Choice.setAll(boxesOf(event.target.closest(".study")), event.target.checked);
  });
  document.addEventListener("choice", showAll);
  document.addEventListener("htmx:afterSettle", () => {
    join();
    Choice.changed();
  });
})();
