"use strict";
/* Choosing with the mouse and with the keyboard. */
(() => {
  const boxIn = (target) => target.closest?.(".tile")?.querySelector('input[name="upload"]');
  const isBox = (target) => target.matches?.('input[name="upload"][form="selection"]');

  document.addEventListener("click", (event) => {
    if (!event.shiftKey || event.detail === 0) return;
    const box = boxIn(event.target);
    if (!box) return;
    // On a picture Shift would open a window; on the label the click comes again for its box.
    if (!isBox(event.target)) event.preventDefault();
    Choice.stretch(box);
    box.focus();
  });
  document.addEventListener("mousedown", (event) => {
    if (event.shiftKey && boxIn(event.target)) event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    if (!isBox(event.target)) return;
    Choice.touch(event.target);
    Choice.changed();
  });

  /* The box in the next row that stands nearest to the same column. */
  function across(box, down) {
    const here = box.getBoundingClientRect();
    const away = (each) => {
      const there = each.getBoundingClientRect();
      const rows = (there.top - here.top) * (down ? 1 : -1);
      return rows < 8 ? Infinity : rows * 10 + Math.abs(there.left - here.left);
    };
    const all = Choice.boxes();
    return all.reduce((best, each) => (away(each) < away(best) ? each : best), box);
  }

  function along(box, step) {
    const all = Choice.boxes();
    return all[all.indexOf(box) + step] ?? box;
  }

  const MOVES = {
    ArrowRight: (box) => along(box, 1),
    ArrowLeft: (box) => along(box, -1),
    ArrowDown: (box) => across(box, true),
    ArrowUp: (box) => across(box, false),
  };

  document.addEventListener("keydown", (event) => {
    if (!isBox(event.target) || event.altKey) return;
    const box = event.target;
    const move = MOVES[event.key];
    if (move) {
      const next = move(box);
      next.focus();
      if (event.shiftKey) Choice.stretch(next);
    } else if (event.key === " " && event.shiftKey) {
      Choice.stretch(box);
    } else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      Choice.setAll(Choice.boxes(), true);
    } else if (event.key === "Escape") {
      Choice.setAll(Choice.boxes(), false);
    } else return;
    event.preventDefault();
  });
})();
