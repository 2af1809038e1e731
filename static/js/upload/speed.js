"use strict";
/* Bytes a second over the last seconds, so that the time left follows what is true now. */
class Speed {
  static WINDOW = 8000;

  constructor() { this.marks = []; }

  mark(bytes, at = performance.now()) {
    this.marks.push([at, bytes]);
    while (this.marks.length > 2 && at - this.marks[0][0] > Speed.WINDOW) this.marks.shift();
  }

  forget() { this.marks = []; }

  get perSecond() {
    if (this.marks.length < 2) return 0;
    const [[from, before], [to, after]] = [this.marks[0], this.marks[this.marks.length - 1]];
    return to - from < 500 ? 0 : ((after - before) / (to - from)) * 1000;
  }
}
