"use strict";
/* The instance page's picture: the slider, the wheel and the arrow keys go through the frames
   without loading the page again; frame and window stay in the address. */
(() => {
  const viewer = document.getElementById("viewer");
  const form = document.getElementById("view");
  if (!viewer?.dataset.rendered || !form) return;
  const { frame, center, width } = form.elements;
  const shown = document.getElementById("frame-shown");
  const ahead = new Map();
  let wanted = null;
  let loading = false;

  function address(number) {
    const query = new URLSearchParams();
    if (number > 1) query.set("frame", number);
    if (center?.value && width?.value) query.set("window", `${center.value},${width.value}`);
    return query.size ? `${viewer.dataset.rendered}?${query}` : viewer.dataset.preview;
  }

  function fetchAhead(number) {
    if (!frame || number < 1 || number > Number(frame.max)) return;
    const url = address(number);
    if (ahead.has(url)) return;
    ahead.set(url, Object.assign(new Image(), { src: url }));
    if (ahead.size > 32) ahead.delete(ahead.keys().next().value);
  }

  /* One picture is asked for at a time: while it comes, only the newest wish is kept. */
  function show(url) {
    wanted = url;
    if (loading) return;
    loading = true;
    const next = Object.assign(new Image(), { src: url });
    const done = (worked) => {
      loading = false;
      const picture = document.getElementById("picture");
      if (worked && picture) picture.src = url;
      if (wanted !== url) show(wanted);
    };
    next.decode().then(() => done(true), () => done(false));
  }

  function update() {
    const number = Number(frame?.value ?? 1);
    if (shown) shown.textContent = number;
    show(address(number));
    fetchAhead(number + 1);
    fetchAhead(number - 1);
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    if (query.get("frame") === "1") query.delete("frame");
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }

  function step(by) {
    if (!frame) return;
    const before = frame.value;
    frame.value = Number(frame.value) + by;
    if (frame.value !== before) update();
  }

  frame?.addEventListener("input", update);
  form.addEventListener("submit", (event) => { event.preventDefault(); update(); });
  viewer.querySelector(".viewer-picture").addEventListener("wheel", (event) => {
    if (!frame || event.ctrlKey) return;
    event.preventDefault();
    step(Math.sign(event.deltaY));
  }, { passive: false });
})();
