"use strict";
/* Which pictures are chosen. Each is a real checkbox of a real form: this only counts them
   and chooses stretches of them. */
const Choice = (() => {
  const boxes = () => [...document.querySelectorAll('input[name="upload"][form="selection"]')];
  const chosen = () => boxes().filter((box) => box.checked);
  let anchor = null;

  const changed = () => document.dispatchEvent(new Event("choice"));

  function set(box, on) {
    box.checked = on;
    anchor = box;
    changed();
  }

  /* All from the one last touched to this one, as that one is. */
  function stretch(box) {
    const all = boxes();
    const from = all.indexOf(anchor);
    if (from < 0) return set(box, true);
    const to = all.indexOf(box);
    const on = anchor.checked;
    for (const each of all.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = on;
    changed();
  }

  function setAll(some, on) {
    for (const box of some) box.checked = on;
    changed();
  }

  return { boxes, chosen, set, stretch, setAll, changed, touch: (box) => { anchor = box; } };
})();
