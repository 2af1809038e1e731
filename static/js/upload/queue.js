"use strict";
/* Every dropped file is in exactly one place: being looked at, waiting, on the way, sent,
   duplicate, skipped or failed. */
class Queue {
  static PARALLEL = 4;
  static LOOKERS = 8;
  static TRIES = 5;
  static PROBE = 3000;

  constructor(server, limits, on) {
    Object.assign(this, { server, limits, on });
    Object.assign(this, { unseen: [], looking: 0, waiting: [], active: new Set(), failed: [], skipped: new Map() });
    Object.assign(this, { dropped: 0, sent: 0, duplicate: 0, bytesDone: 0, bytesTotal: 0 });
    Object.assign(this, { known: new Set(), paused: false, halted: null, finishing: false, gathering: 0 });
  }

  get skippedCount() { return [...this.skipped.values()].reduce((sum, group) => sum + group.items.length, 0); }
  /* Nothing is over while a folder is still being walked. */
  get idle() { return !this.toGo && !this.gathering; }
  get toGo() { return this.unseen.length + this.looking + this.waiting.length + this.active.size; }
  get bytesSent() { return [...this.active].reduce((sum, item) => sum + Math.min(item.loaded, item.file.size), this.bytesDone); }

  add(found, study) {
    this.dropped += 1;
    const item = { ...found, study, loaded: 0, tries: 0, cancelled: false, abort: null };
    if (found.unreadable) this.#skip(item, { reason: "The browser may not read it", final: true });
    else this.unseen.push(item);
    this.#look();
    this.on.changed();
  }

  /* Files go on being found until the walk ends; the first may be sent long before. */
  async during(walk) {
    this.gathering += 1;
    await walk.catch(() => undefined);
    this.gathering -= 1;
    this.#fill();
  }

  #look() {
    while (this.looking < Queue.LOOKERS && this.unseen.length) this.#lookAt(this.unseen.shift());
  }

  async #lookAt(item) {
    this.looking += 1;
    const problem = await Sniff.look(item.file, this.limits)
      .catch(() => ({ reason: "The browser could not read it", final: true }));
    this.looking -= 1;
    if (item.cancelled) this.#skip(item, { reason: "Cancelled by you" });
    else if (problem) this.#skip(item, problem);
    else this.#enqueue(item);
    this.#look();
    this.#fill();
  }

  #skip(item, { reason, final = false }) {
    const group = this.skipped.get(reason) ?? { items: [], final };
    group.items.push(item);
    this.skipped.set(reason, group);
  }

  #enqueue(item) {
    Object.assign(item, { loaded: 0, cancelled: false });
    this.bytesTotal += item.file.size;
    this.waiting.push(item);
  }

  #fill() {
    while (!this.paused && !this.halted && this.active.size < Queue.PARALLEL && this.waiting.length) {
      this.#work(this.waiting.shift());
    }
    this.on.changed();
    if (this.idle && this.dropped && !this.finishing) this.#finish();
  }

  async #work(item) {
    this.active.add(item);
    const outcome = await this.#attempt(item)
      .catch(() => ({ kind: "refused", reason: "The browser could not send it", mayPass: true }));
    this.active.delete(item);
    this.#settle(item, outcome);
    this.#fill();
  }

  async #attempt(item) {
    const print = await Transfer.fingerprint(item.file);
    if (item.cancelled) return { kind: "aborted" };
    if (print && this.known.has(print)) return { kind: "duplicate" };
    const batch = await this.server.room(item.file.size);
    if (batch.kind) return batch;
    if (item.cancelled) return { kind: "aborted" };
    const headers = { "X-CSRFToken": this.server.csrf, ...(item.study && { "X-Study-Key": item.study }) };
    const outcome = await Transfer.send(item, batch, headers, print, (loaded) => { item.loaded = loaded; this.on.changed(); });
    const taken = outcome.kind === "sent" || outcome.kind === "duplicate";
    if (taken && print) this.known.add(print);
    if (!taken) this.server.giveBack(batch, item.file.size);
    if (outcome.kind === "closed") batch.open = false;
    if (outcome.kind === "full") batch.full = true;
    return outcome;
  }

  #settle(item, outcome) {
    item.loaded = 0;
    item.abort = null;
    if (outcome.kind === "sent" || outcome.kind === "duplicate") {
      this[outcome.kind] += 1;
      this.bytesDone += item.file.size;
    } else if (outcome.kind === "aborted") {
      this.bytesTotal -= item.file.size;
      this.#skip(item, { reason: "Cancelled by you" });
    } else if (outcome.kind === "session") {
      this.waiting.unshift(item);
      this.#halt("session");
    } else if (outcome.kind === "refused") {
      this.#fail(item, outcome.reason, outcome.mayPass);
    } else {
      this.#tryAgain(item, outcome);
    }
  }

  #tryAgain(item, outcome) {
    item.tries += 1;
    if (item.tries >= Queue.TRIES) return this.#fail(item, outcome.reason ?? "The service did not take it", true);
    this.waiting.unshift(item);
    if (outcome.kind === "again") this.#halt(outcome.lost ? "connection" : "busy", outcome.after);
    return undefined;
  }

  #fail(item, reason, worthRetrying) {
    this.bytesTotal -= item.file.size;
    this.failed.push({ item, reason, worthRetrying });
  }

  /* Nothing is started until the service is there again, for the person who began. */
  async #halt(why, seconds = 0) {
    if (this.halted) return;
    this.halted = why;
    this.on.changed();
    await this.on.pause(Math.max(seconds * 1000, Queue.PROBE / 3));
    for (;;) {
      const session = await this.server.session();
      if (session === "yes") break;
      this.halted = { no: "session", another: "another", lost: "connection" }[session];
      this.on.changed();
      await this.on.pause(Queue.PROBE);
    }
    this.halted = null;
    this.#fill();
  }

  async #finish() {
    this.finishing = true;
    if (!this.failed.some((failure) => failure.worthRetrying)) await this.server.close();
    this.finishing = false;
    if (!this.idle) return this.#fill();
    this.on.changed();
    return this.on.finished();
  }

  setPaused(paused) {
    this.paused = paused;
    this.#fill();
  }

  cancel() {
    for (const item of this.unseen) this.#skip(item, { reason: "Cancelled by you" });
    for (const item of this.waiting) {
      this.bytesTotal -= item.file.size;
      this.#skip(item, { reason: "Cancelled by you" });
    }
    Object.assign(this, { unseen: [], waiting: [], paused: false });
    for (const item of this.active) {
      item.cancelled = true;
      item.abort?.();
    }
    this.#fill();
  }

  retryFailed() {
    const again = this.failed.splice(0);
    for (const { item } of again) {
      item.tries = 0;
      this.#enqueue(item);
    }
    this.#fill();
  }

  sendAnyway(reason) {
    const group = this.skipped.get(reason);
    if (!group) return;
    this.skipped.delete(reason);
    for (const item of group.items) this.#enqueue(item);
    this.#fill();
  }
}
