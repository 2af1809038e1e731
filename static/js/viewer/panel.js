"use strict";
/* The controls below the stage and the words on it: what they say, and what is done to them. */
class Panel {
  constructor(viewer) {
    this.viewer = viewer;
    this.fields = document.getElementById("view").elements;
    for (const part of ["frame-shown", "center-slide", "width-slide", "speed", "presets",
      "said-frame", "said-window", "said-zoom", "said-value", "trouble", "again", "zoom-shown"]) {
      this[part] = document.getElementById(part);
    }
    this.edge = document.getElementById("edges");
    this.low = Infinity;
    this.high = -Infinity;
    this.digits = 0;
  }

  /* The window in the fields; empty ones make none. */
  get typed() {
    return { center: this.fields.center.value || NaN, width: this.fields.width.value };
  }

  /* The sliders reach over every value seen so far. */
  widen([low, high]) {
    if (low >= this.low && high <= this.high) return;
    this.low = Math.min(low, this.low);
    this.high = Math.max(high, this.high);
    this.digits = this.span >= 200 ? 0 : Math.min(9, Math.ceil(3 - Math.log10(this.span)));
    const step = 10 ** -this.digits;
    const narrow = { min: this.narrowest, max: this.round(this.span * 1.5), step };
    Object.assign(this["center-slide"], { min: this.round(this.low), max: this.round(this.high), step });
    Object.assign(this["width-slide"], narrow);
  }

  get span() { return this.high > this.low ? this.high - this.low : 1; }
  get narrowest() { return 10 ** -this.digits; }

  round(number) { return Number(number.toFixed(this.digits)); }

  text(number) { return String(Number(number.toFixed(9))); }

  /* The data set's own windows, before those of the page. Their names are strangers' text. */
  offer(windows) {
    if (windows.length < 2 && !windows[0]?.name) return;
    const buttons = windows.map(({ center, width, name }, index) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "button" });
      Object.assign(button.dataset, { center: this.text(center), width: this.text(width) });
      button.textContent = name || `Stored ${index + 1}`;
      return button;
    });
    for (const preset of [...this.presets.querySelectorAll("a[data-width]")]) {
      const isTheSame = ({ dataset }) => dataset.center === preset.dataset.center
        && dataset.width === preset.dataset.width;
      if (buttons.some(isTheSame)) preset.remove();
    }
    this.presets.prepend(...buttons);
  }

  frame(number, count) {
    if (!this.fields.frame) return;
    this.fields.frame.value = number;
    this["frame-shown"].textContent = number;
    this["said-frame"].textContent = `${number} / ${count}`;
  }

  window({ center, width }, asked) {
    const texts = { center: this.text(center), width: this.text(width) };
    for (const name of ["center", "width"]) {
      if (document.activeElement !== this.fields[name]) this.fields[name].value = texts[name];
      this[`${name}-slide`].value = texts[name];
    }
    this["said-window"].textContent = `C ${texts.center}  W ${texts.width}`;
    for (const preset of this.presets.children) {
      const { center: c, width: w } = preset.dataset;
      const chosen = asked ? c === texts.center && w === texts.width : c === "" && !preset.dataset.range;
      if (chosen) preset.setAttribute("aria-current", "true");
      else preset.removeAttribute("aria-current");
    }
  }

  zoom(percent) {
    for (const part of ["said-zoom", "zoom-shown"]) this[part].textContent = `${percent} %`;
  }

  /* A button at each edge beyond which there is more; none where all of the picture is seen. */
  edges(beyond) {
    this.edge.hidden = !Object.values(beyond).some((far) => far > 1);
    for (const button of this.edge.children) {
      button.setAttribute("aria-disabled", String(beyond[button.dataset.do] <= 1));
    }
  }

  press(selector, chosen) {
    for (const button of this.viewer.querySelectorAll(selector)) {
      button.setAttribute("aria-pressed", String(chosen(button)));
    }
  }

  complain(sentence, canRetry) {
    this.trouble.hidden = !sentence;
    this.trouble.firstElementChild.textContent = sentence;
    this.again.hidden = !canRetry;
  }
}
