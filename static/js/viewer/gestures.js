"use strict";
/* What hands do on the stage, as intentions: drag(dx, dy, tool), pinch(factor, x, y),
   turn(frames), press(key, event), probe(x, y), settle(). */
function listenTo(box, intend) {
  const pointers = new Map();
  let tool = null;
  let turned = 0;

  function toolOf(event) {
    if (event.button === 1 || event.shiftKey) return "move";
    return event.button === 0 ? "chosen" : null;
  }

  box.addEventListener("pointerdown", (event) => {
    const meant = toolOf(event);
    if (!meant || event.target.closest("button, a")) return;
    if (event.button === 1) event.preventDefault();
    box.setPointerCapture(event.pointerId);
    box.focus({ preventScroll: true });
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    tool = meant;
  });

  box.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return intend.probe(event.clientX, event.clientY);
    const before = spread();
    const by = { x: event.clientX - last.x, y: event.clientY - last.y };
    Object.assign(last, { x: event.clientX, y: event.clientY });
    if (pointers.size === 1) return intend.drag(by.x, by.y, tool);
    return pinch(before, spread());
  });

  function release(event) {
    if (!pointers.delete(event.pointerId)) return;
    if (!pointers.size) intend.settle();
  }
  box.addEventListener("pointerup", release);
  box.addEventListener("pointercancel", release);
  box.addEventListener("pointerleave", () => intend.probe(null));

  /* Middle and distance of two fingers. */
  function spread() {
    if (pointers.size < 2) return null;
    const [a, b] = pointers.values();
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, far: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
  }

  function pinch(before, after) {
    intend.drag(after.x - before.x, after.y - before.y, "move");
    intend.pinch(after.far / before.far, after.x, after.y);
  }

  /* The wheel goes through frames. Where there is one alone it scrolls the page, unless the
     picture has the focus; with Ctrl (a pinch on a trackpad) it always zooms. */
  box.addEventListener("wheel", (event) => {
    const zooms = event.ctrlKey || (!intend.many && document.activeElement === box);
    if (!zooms && !intend.many) return;
    event.preventDefault();
    const lines = event.deltaY * (event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 400 : 1);
    if (zooms) return intend.pinch(Math.exp(-lines / 400), event.clientX, event.clientY);
    turned = Math.sign(turned) === Math.sign(lines) ? turned + lines : lines;
    if (Math.abs(turned) < 30) return;
    intend.turn(Math.sign(turned));
    turned = 0;
  }, { passive: false });

  box.addEventListener("dblclick", (event) => {
    if (!event.target.closest("button")) intend.toggle(event.clientX, event.clientY);
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== box) return;
    if (intend.press(event.key.length === 1 ? event.key.toLowerCase() : event.key, event.shiftKey)) {
      event.preventDefault();
    }
  });
}
