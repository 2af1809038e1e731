"use strict";
/* Plays the frames round and round, as fast as asked and never ahead of what has come. */
class Cine {
  constructor(view) {
    Object.assign(this, { view, timer: 0, perSecond: 10 });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.stop(); });
  }

  get plays() { return this.timer !== 0; }

  toggle() { if (this.plays) this.stop(); else this.start(); }

  start() {
    this.due = performance.now() + 1000 / this.perSecond;
    this.wait();
  }

  stop() {
    if (!this.plays) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.view.stopped();
  }

  wait() {
    this.timer = setTimeout(() => this.step(), Math.max(0, this.due - performance.now()));
  }

  step() {
    const between = 1000 / this.perSecond;
    const went = this.view.advance();
    /* What came late is not made up for; a frame that is not there yet is looked for soon. */
    this.due = went ? Math.max(this.due + between, performance.now()) : performance.now() + 30;
    this.wait();
  }
}
