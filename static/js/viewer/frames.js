"use strict";
/* The frames of an instance: fetched once, kept while there is room, the next ones ahead. */
class Frames {
  static ROOM = 192 << 20;
  static AT_ONCE = 3;
  static AHEAD = 16;

  /* arrived(number, frame) is called for each one; failed(number, status, code). */
  constructor(address, count, arrived, failed) {
    Object.assign(this, { address, count, arrived, failed });
    this.kept = new Map();
    this.coming = new Map();
    this.queue = [];
    this.bytes = 0;
  }

  get(number) {
    const frame = this.kept.get(number);
    if (!frame) return null;
    this.kept.delete(number);
    this.kept.set(number, frame);
    return frame;
  }

  /* What is wanted now, and then what comes next in the direction of travel. */
  want(number, direction) {
    this.wish = [number, direction];
    const around = [number];
    for (let ahead = 1; ahead <= this.reach(); ahead += 1) around.push(number + ahead * direction);
    around.push(number - direction);
    this.queue = around.map((each) => this.wrapped(each))
      .filter((each, at, all) => all.indexOf(each) === at && !this.kept.has(each));
    for (const [each, request] of this.coming) if (!this.queue.includes(each)) request.abort();
    this.next();
  }

  wrapped(number) {
    return ((number - 1) % this.count + this.count) % this.count + 1;
  }

  /* Never so far ahead that it would push out what was just seen. */
  reach() {
    const one = this.kept.size ? this.bytes / this.kept.size : 0;
    const room = one ? Math.floor(Frames.ROOM / 2 / one) : 1;
    return Math.max(0, Math.min(Frames.AHEAD, room, this.count - 1));
  }

  next() {
    while (this.coming.size < Frames.AT_ONCE) {
      const number = this.queue.find((each) => !this.coming.has(each));
      if (number === undefined) return;
      this.fetch(number);
    }
  }

  async fetch(number) {
    const request = new AbortController();
    this.coming.set(number, request);
    try {
      const answer = await fetch(`${this.address}/${number}`, {
        signal: request.signal, headers: { Accept: "application/octet-stream, application/json" },
      });
      if (answer.ok) await this.keep(number, answer);
      else this.refused(number, answer.status, (await answer.json().catch(() => ({}))).code);
    } catch (error) {
      if (error.name !== "AbortError") this.refused(number, 0, "");
    } finally {
      this.coming.delete(number);
      this.queue = this.queue.filter((each) => each !== number || request.signal.aborted);
      this.next();
    }
  }

  async keep(number, answer) {
    const description = JSON.parse(answer.headers.get("X-Frame-Description"));
    const isFirst = !this.kept.size;
    const frame = Tones.frameOf(description, await answer.arrayBuffer());
    this.kept.set(number, frame);
    this.bytes += frame.size;
    for (const [oldest, { size }] of this.kept) {
      if (this.bytes <= Frames.ROOM || oldest === number) break;
      this.kept.delete(oldest);
      this.bytes -= size;
    }
    this.arrived(number, frame);
    if (isFirst) this.want(...this.wish); // now it is known how large they are
  }

  /* Asked for again only when somebody comes back to it. */
  refused(number, status, code) {
    this.queue = this.queue.filter((each) => each !== number);
    this.failed(number, status, code);
  }
}
