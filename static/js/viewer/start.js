"use strict";
/* The instance page's viewer. Frames come as samples and are windowed here; one too large for
   that comes as a picture. Frame and window stay in the address; without this script the form
   asks the server for each picture. */
(() => {
  const viewer = document.getElementById("viewer");
  if (!viewer?.dataset.frames) return;
  const { frames: address, rendered, preview, count: number } = viewer.dataset;
  const count = Number(number);
  const box = document.getElementById("stage");
  const canvas = document.getElementById("canvas");
  const buffer = document.createElement("canvas");
  const panel = new Panel(viewer);
  const state = {
    frame: Number(panel.fields.frame?.value ?? 1), direction: 1, inverted: false, tool: "window",
    window: windowOf(panel.typed),
  };
  const SHADE = 1;
  const PLACE = 2;
  let shown = null;       // the frame on the stage
  let isPictured = false; // frames too large to be sent as samples
  let dirty = 0;
  let isDragging = false;

  const stage = new Stage(box, canvas, () => redraw(PLACE));
  const frames = new Frames(address, count, arrived, failed);
  const pictures = new Pictures(pictured, () => panel.complain(viewer.dataset.missing, false));
  const cine = new Cine({ advance, stopped: settled });
  canvas.hidden = false;
  Object.assign(box, { tabIndex: 0, role: "application" });
  listenTo(box, {
    many: count > 1, drag, pinch, turn: (by) => go(state.frame + by), probe, press, toggle,
    settle: () => { isDragging = false; redraw(SHADE); },
  });

  function windowOf({ center, width }) {
    const window = { center: Number(center), width: Number(width), function: "LINEAR" };
    return Number.isFinite(window.center) && window.width > 0 ? window : null;
  }

  // --- drawing: once for each frame of the screen, whatever happened in between

  function redraw(what) {
    if (!dirty) requestAnimationFrame(draw);
    dirty |= what;
  }

  function draw() {
    if (dirty & SHADE && shown) shade();
    dirty = 0;
    stage.isNegative = isPictured && state.inverted;
    stage.draw();
    tell();
  }

  /* While a large frame is dragged, only the pixels that the screen can show are worked out. */
  function shade() {
    const isLarge = shown.rows * shown.columns > 1 << 20;
    const step = isDragging && isLarge ? Math.max(1, Math.floor(1 / stage.scale)) : 1;
    const size = { width: Math.ceil(shown.columns / step), height: Math.ceil(shown.rows / step) };
    const isSame = buffer.width === size.width && buffer.height === size.height;
    if (!isSame) Object.assign(buffer, size);
    const context = buffer.getContext("2d", { alpha: false });
    if (!isSame || !buffer.image) buffer.image = context.createImageData(size.width, size.height);
    Tones.paint(shown, state.window, state.inverted, step, buffer.image);
    context.putImageData(buffer.image, 0, 0);
    stage.show(buffer, shown.columns, shown.rows, shown.pixel_aspect);
    box.classList.add("is-live");
  }

  function tell() {
    panel.frame(state.frame, count);
    panel.zoom(Math.round(stage.scale * 100));
    if (stage.picture) panel.edges(stage.beyond());
    const inForce = state.window ?? shown?.window;
    if (inForce) panel.window(inForce, Boolean(state.window));
    panel.press("[data-tool]", ({ dataset }) => dataset.tool === state.tool);
    panel.press("[data-do=invert]", () => state.inverted);
    panel.press("[data-do=play]", () => cine.plays);
    box.setAttribute("aria-busy", String(!isPictured && shown?.frame !== state.frame));
  }

  // --- frames

  function go(to, isPlaying = false) {
    const next = Math.min(count, Math.max(1, to));
    if (!isPlaying) cine.stop();
    if (next !== state.frame) state.direction = next > state.frame || isPlaying ? 1 : -1;
    state.frame = next;
    panel.complain("", false);
    look();
    if (!isPlaying) settled();
  }

  function look() {
    if (isPictured) return depict();
    const frame = frames.get(state.frame);
    frames.want(state.frame, state.direction);
    if (frame) shown = frame;
    return redraw(frame ? SHADE : PLACE);
  }

  function arrived(at, frame) {
    panel.widen(Tones.extent(frame));
    if (!shown) begin(frame);
    if (at !== state.frame) return;
    shown = frame;
    redraw(SHADE);
  }

  function begin(frame) {
    panel.offer(frame.windows);
    if (frame.samples === 3) state.tool = count > 1 ? "turn" : "move";
    if (frame.frames_per_second && panel.speed) panel.speed.value = frame.frames_per_second;
    paced();
  }

  const broken = new Set();
  function failed(at, status, code) {
    if (code === "frame-too-large") {
      isPictured = true;
      panel.digits = 4;
      if (state.tool === "window") state.tool = "move";
      if (at === state.frame) depict();
      return;
    }
    if (code === "decode-failed") broken.add(at);
    if (at !== state.frame) return;
    if (status === 401) Page.loggedOut();
    if (code === "decode-failed") panel.complain(viewer.dataset.missing, false);
    else panel.complain("This frame could not be loaded.", true);
    redraw(PLACE);
  }

  function advance() {
    let next = state.frame;
    do next = frames.wrapped(next + 1); while (broken.has(next) && next !== state.frame);
    const isThere = isPictured ? !pictures.asks : frames.get(next);
    if (isThere) go(next, true);
    else frames.want(state.frame, 1);
    return Boolean(isThere);
  }

  function depict() {
    const query = new URLSearchParams({ size: 2048 });
    if (count > 1) query.set("frame", state.frame);
    if (state.window) query.set("window", `${state.window.center},${state.window.width}`);
    pictures.want(count > 1 || state.window ? `${rendered}?${query}` : preview);
    redraw(PLACE);
  }

  function pictured(image) {
    shown = null;
    stage.show(image, image.naturalWidth, image.naturalHeight, 1);
    box.classList.add("is-live");
    redraw(PLACE);
  }

  // --- what is done to it

  function setWindow(window) {
    state.window = window && windowOf(window);
    if (isPictured) depict();
    redraw(SHADE);
    settled();
  }

  /* To the right: wider, less contrast. Up: brighter. The wider the window, the larger the steps.
     What is too little to be written is carried on to the next step. */
  let exact = null;
  function shift(across, up) {
    const now = state.window ?? shown?.window;
    if (!now) return;
    const { span, narrowest } = panel;
    if (exact?.window !== state.window) exact = { center: now.center, width: now.width };
    const speed = Math.min(span / 800, Math.max(exact.width / 100, span / 4000));
    exact.center -= up * speed;
    exact.width = Math.max(narrowest, exact.width + across * speed);
    setWindow({ center: panel.round(exact.center), width: panel.round(exact.width) });
    exact.window = state.window;
  }

  let carried = 0;
  function drag(dx, dy, meant) {
    const tool = meant === "chosen" ? state.tool : meant;
    isDragging = true;
    if (tool === "window") return shift(dx, -dy);
    if (tool === "zoom") return zoom(Math.exp(-dy / 150));
    if (tool === "turn") {
      carried += dy;
      const by = Math.trunc(carried / 12);
      carried -= by * 12;
      return by ? go(state.frame + by) : undefined;
    }
    stage.move(dx, dy);
    return redraw(PLACE);
  }

  function zoom(factor, x = 0, y = 0) {
    stage.zoomTo(stage.zoom * factor, x, y);
    redraw(PLACE);
  }

  function pinch(factor, clientX, clientY) { zoom(factor, ...stage.fromMiddle(clientX, clientY)); }

  function toggle(clientX, clientY) {
    if (stage.zoom === 1 && !stage.x && !stage.y) return pinch(2.5, clientX, clientY);
    stage.reset();
    return redraw(PLACE);
  }

  function probe(clientX, clientY) {
    const [across, down] = clientX === null || !shown ? [-1, -1] : stage.within(clientX, clientY);
    const column = Math.floor(across * (shown?.columns ?? 0));
    const row = Math.floor(down * (shown?.rows ?? 0));
    const isInside = across >= 0 && across < 1 && down >= 0 && down < 1;
    const value = isInside ? Tones.valueAt(shown, column, row).map((each) => panel.text(panel.round(each))) : [];
    panel["said-value"].textContent = isInside ? `${column + 1}, ${row + 1}: ${value.join(" ")}` : "";
  }

  const FAR = 40;
  const DO = {
    smaller: () => zoom(1 / 1.25),
    larger: () => zoom(1.25),
    fit: () => { stage.reset(); redraw(PLACE); },
    pixels: () => { stage.zoomToPixels(); redraw(PLACE); },
    left: () => drag(FAR, 0, "move"),
    right: () => drag(-FAR, 0, "move"),
    up: () => drag(0, FAR, "move"),
    down: () => drag(0, -FAR, "move"),
    previous: () => go(state.frame - 1),
    next: () => go(state.frame + 1),
    brighter: () => shift(0, 10),
    darker: () => shift(0, -10),
    wider: () => shift(10, 0),
    narrower: () => shift(-10, 0),
    invert: () => { state.inverted = !state.inverted; redraw(SHADE); settled(); },
    play: () => { if (count > 1) cine.toggle(); redraw(PLACE); },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : viewer.requestFullscreen()),
    reset: () => { state.inverted = false; stage.reset(); setWindow(null); },
  };
  const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
  const LEAPS = {
    PageUp: () => state.frame - 10, PageDown: () => state.frame + 10, Home: () => 1, End: () => count,
  };
  const KEYS = {
    "+": "larger", "=": "larger", "-": "smaller", 0: "fit", 1: "pixels", b: "brighter", d: "darker",
    w: "wider", n: "narrower", i: "invert", " ": "play", r: "reset", f: "full",
  };

  /* Arrows go through the frames; with Shift, or where there is one alone, they move. */
  function press(key, isShifted) {
    const way = ARROWS[key];
    if (way && count > 1 && !isShifted) go(state.frame + (way === "left" || way === "up" ? -1 : 1));
    else if (way && (isShifted || stage.zoom > 1)) DO[way]();
    else if (key in LEAPS && count > 1) go(LEAPS[key]());
    else if (key in KEYS) DO[KEYS[key]]();
    else return false;
    isDragging = false;
    return true;
  }

  listenToControls(viewer, panel, {
    go, setWindow, paced,
    do: (action) => { DO[action](); isDragging = false; },
    take: (tool) => { state.tool = tool; redraw(PLACE); },
    again: () => { panel.complain("", false); look(); },
    window: () => state.window ?? shown?.window ?? panel.typed,
  });

  function paced() {
    const perSecond = Number(panel.speed?.value);
    if (perSecond > 0) cine.perSecond = Math.min(60, perSecond);
  }

  // --- the address, and those who listen: both once it is quiet

  let quiet = 0;
  function settled() {
    clearTimeout(quiet);
    quiet = setTimeout(() => { write(); speak(); }, 250);
  }

  function write() {
    const query = new URLSearchParams(location.search);
    const { center, width } = state.window ?? {};
    const values = { frame: state.frame > 1 ? state.frame : null, center, width };
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === undefined) query.delete(name);
      else query.set(name, panel.text(value));
    }
    history.replaceState(history.state, "", query.size ? `?${query}` : location.pathname);
  }

  function speak() {
    const { center, width } = state.window ?? {};
    const words = count > 1 ? [`Frame ${state.frame} of ${count}.`] : [];
    if (state.window) words.push(`Window centre ${panel.text(center)}, width ${panel.text(width)}.`);
    if (state.inverted) words.push("Inverted.");
    Page.announce(words.join(" "));
  }

  look();
})();
