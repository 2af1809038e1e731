"use strict";
/* Where the picture lies: as large as it fits, zoomed and moved from there, pixels square. */
class Stage {
  static SMALLEST = 0.5;
  static LARGEST = 32;
  static KEPT_IN_SIGHT = 48;

  constructor(box, canvas, resized) {
    Object.assign(this, { box, canvas, zoom: 1, x: 0, y: 0, picture: null, isNegative: false });
    this.context = canvas.getContext("2d", { alpha: false });
    new ResizeObserver(() => { this.measure(); resized(); }).observe(box);
    this.measure();
  }

  measure() {
    this.density = window.devicePixelRatio || 1;
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * this.density));
    this.canvas.height = Math.max(1, Math.round(this.height * this.density));
    this.place();
  }

  /* What is shown: columns and rows of it, and the height of a pixel over its width. */
  show(picture, columns, rows, aspect) {
    this.picture = picture;
    this.columns = columns * Math.max(1, 1 / aspect);
    this.rows = rows * Math.max(1, aspect);
    this.place();
  }

  /* CSS pixels for each of the picture's, where it just fits. */
  get fit() {
    return this.picture ? Math.min(this.width / this.columns, this.height / this.rows) : 1;
  }

  /* Device pixels for each of the picture's. */
  get scale() { return this.fit * this.zoom * this.density; }

  place() {
    const free = (box, shown) => Math.max(0, (box + shown) / 2 - Stage.KEPT_IN_SIGHT);
    const across = free(this.width, this.columns * this.fit * this.zoom);
    const down = free(this.height, this.rows * this.fit * this.zoom);
    this.x = Math.min(across, Math.max(-across, this.x)) || 0;
    this.y = Math.min(down, Math.max(-down, this.y)) || 0;
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.place();
  }

  /* The point (from the middle of the stage) stays where it is. */
  zoomTo(zoom, x = 0, y = 0) {
    const before = this.zoom;
    const least = Math.min(Stage.SMALLEST, this.pixels);
    this.zoom = Math.min(Math.max(Stage.LARGEST, this.pixels), Math.max(least, zoom));
    this.x = x - (x - this.x) * (this.zoom / before);
    this.y = y - (y - this.y) * (this.zoom / before);
    this.place();
  }

  /* The zoom at which one of the picture's pixels is one of the screen's. */
  get pixels() { return 1 / (this.fit * this.density); }

  zoomToPixels() {
    this.zoomTo(this.pixels);
    this.x = this.y = 0;
  }

  reset() { Object.assign(this, { zoom: 1, x: 0, y: 0 }); }

  corner() {
    const { canvas, scale, density } = this;
    const width = this.columns * scale;
    const height = this.rows * scale;
    const left = (canvas.width - width) / 2 + this.x * density;
    const top = (canvas.height - height) / 2 + this.y * density;
    return { left: Math.round(left), top: Math.round(top), width, height };
  }

  draw() {
    const { context, canvas, scale } = this;
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.picture) return;
    const { left, top, width, height } = this.corner();
    context.imageSmoothingEnabled = Math.abs(scale - 1) > 1e-6 && scale < 8;
    context.imageSmoothingQuality = scale < 1 ? "high" : "medium";
    context.drawImage(this.picture, left, top, width, height);
    if (!this.isNegative) return;
    context.globalCompositeOperation = "difference";
    context.fillStyle = "#fff";
    context.fillRect(left, top, width, height);
    context.globalCompositeOperation = "source-over";
  }

  /* How far the picture reaches beyond each edge of the stage, in CSS pixels. */
  beyond() {
    const across = (this.columns * this.fit * this.zoom - this.width) / 2;
    const down = (this.rows * this.fit * this.zoom - this.height) / 2;
    return { left: across - this.x, right: across + this.x, up: down - this.y, down: down + this.y };
  }

  /* A point of the page as fractions of the picture, 0 to 1 within it. */
  within(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, width, height } = this.corner();
    return [((clientX - box.left) * this.density - left) / width,
      ((clientY - box.top) * this.density - top) / height];
  }

  fromMiddle(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    return [clientX - box.left - this.width / 2, clientY - box.top - this.height / 2];
  }
}
