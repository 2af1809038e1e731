"use strict";
/* Draws the queue: sums and the few files on the way, never a row for every file. */
class View {
  static NAMED = 12;

  constructor(queue) {
    this.queue = queue;
    this.speed = new Speed();
    this.drawn = 0;
    this.lines = new Map();
    this.at = (id) => document.getElementById(id);
  }

  /* At most ten drawings a second, however often the queue changes. */
  changed() {
    if (this.asked) return;
    const wait = Math.max(0, 100 - (performance.now() - this.drawn));
    this.asked = setTimeout(() => { this.asked = 0; this.drawn = performance.now(); this.draw(); }, wait);
  }

  draw() {
    const { queue } = this;
    this.at("run").hidden = !queue.dropped;
    this.at("promise").hidden = Boolean(queue.dropped);
    document.querySelector(".drop").classList.toggle("is-slim", Boolean(queue.dropped));
    if (!queue.dropped) return;
    this.#tally();
    this.#sentBar();
    this.#state();
    this.#active();
    this.#failed();
    this.#skipped();
  }

  #tally() {
    const { queue } = this;
    const counts = { dropped: queue.dropped, sent: queue.sent, duplicate: queue.duplicate,
      skipped: queue.skippedCount, failed: queue.failed.length, waiting: queue.toGo };
    for (const [name, value] of Object.entries(counts)) {
      const place = document.querySelector(`[data-count="${name}"]`);
      place.textContent = Words.number(value);
      place.parentElement.classList.toggle("is-nothing", value === 0);
    }
    document.querySelector("[data-while-running]").hidden = !queue.toGo;
  }

  #sentBar() {
    const { queue, speed } = this;
    const bytes = queue.bytesSent;
    const share = queue.bytesTotal ? (bytes / queue.bytesTotal) * 100 : Number(!queue.toGo) * 100;
    this.#bar("sent-bar", share);
    if (queue.toGo && !queue.paused && !queue.halted) speed.mark(bytes);
    else speed.forget();
    const rate = speed.perSecond;
    const parts = [`${Words.size(bytes)} of ${Words.size(queue.bytesTotal)}`];
    if (queue.toGo && rate) parts.push(`${Words.size(rate)}/s`, Words.timeLeft((queue.bytesTotal - bytes) / rate));
    this.at("sent-note").textContent = parts.filter(Boolean).join(" · ");
  }

  #bar(id, share) {
    const value = Math.min(100, Math.floor(share));
    const bar = this.at(id);
    bar.value = value;
    bar.setAttribute("aria-valuenow", value);
  }

  #state() {
    const { queue } = this;
    const words = { session: "Logged out", another: "Logged out", connection: "Waiting for the connection", busy: "The service is busy" };
    const title = queue.idle ? "Everything is accounted for"
      : words[queue.halted] ?? (queue.paused ? (queue.active.size ? "Pausing after the files on the way" : "Paused") : "Sending");
    this.#text("run-title", title);
    this.at("pause").textContent = queue.paused ? "Go on" : "Pause";
    this.at("pause").hidden = this.at("cancel").hidden = queue.idle;
    this.#trouble();
    const batch = queue.server.latest;
    this.at("to-batch").hidden = !batch || !queue.idle;
    if (batch) this.at("to-batch").href = batch.page;
  }

  #text(id, text) {
    if (this.at(id).textContent !== text) this.at(id).textContent = text;
  }

  #trouble() {
    const { halted, toGo } = this.queue;
    const box = this.at("trouble");
    const shown = halted && halted !== "busy" ? halted : "";
    if (box.dataset.shown === shown) return;
    box.dataset.shown = shown;
    box.hidden = !shown;
    const safe = `Nothing is lost: ${Words.files(toGo)} wait here. `;
    const link = Object.assign(document.createElement("a"),
      { href: this.queue.server.urls.login, target: "_blank", textContent: "Log in in a new tab" });
    if (shown === "connection") box.replaceChildren(`The connection is lost. ${safe}Sending goes on by itself when it is back.`);
    if (shown === "session") box.replaceChildren(`You have been logged out. ${safe}`, link, "; sending then goes on by itself. Keep this page open.");
    if (shown === "another") box.replaceChildren("Somebody else has logged in on this computer. These files are only sent when you ", link, " again yourself.");
  }

  #active() {
    const { queue } = this;
    this.at("active-group").hidden = !queue.active.size;
    for (const [item, line] of this.lines) {
      if (queue.active.has(item)) continue;
      line.remove();
      this.lines.delete(item);
    }
    for (const item of queue.active) {
      if (!this.lines.has(item)) this.lines.set(item, this.at("active").appendChild(View.#line()));
      View.#fillLine(this.lines.get(item), item);
    }
  }

  static #line() {
    const line = document.createElement("li");
    line.innerHTML = '<span class="name"></span><span class="aside"></span><progress class="is-thin" max="100" value="0"></progress>';
    return line;
  }

  static #fillLine(line, item) {
    const [name, aside, bar] = line.children;
    const share = Math.min(100, Math.floor((item.loaded / item.file.size) * 100));
    name.textContent = item.path;
    aside.textContent = `${Words.size(item.loaded)} of ${Words.size(item.file.size)}`;
    bar.value = share;
    bar.setAttribute("aria-label", item.path);
  }

  #failed() {
    const { failed } = this.queue;
    this.at("failed-group").hidden = !failed.length;
    this.#text("retry-all", failed.length === 1 ? "Retry it" : `Retry all ${Words.number(failed.length)}`);
    if (this.failedShown === failed.length) return;
    this.failedShown = failed.length;
    const lines = failed.slice(0, View.NAMED * 4).map(({ item, reason }) => View.#pair(item.path, reason));
    if (failed.length > lines.length) lines.push(View.#pair(`and ${Words.files(failed.length - lines.length)} more`, ""));
    this.at("failed").replaceChildren(...lines);
  }

  static #pair(name, aside) {
    const line = document.createElement("li");
    line.append(...[["name", name], ["aside", aside]].map(([className, textContent]) =>
      Object.assign(document.createElement("span"), { className, textContent })));
    return line;
  }

  #skipped() {
    const { skipped } = this.queue;
    this.at("skipped-group").hidden = !skipped.size;
    const state = [...skipped].map(([reason, group]) => `${reason}${group.items.length}`).join();
    if (this.skippedShown === state) return;
    this.skippedShown = state;
    this.at("skipped").replaceChildren(...[...skipped].map(([reason, group]) => View.#group(reason, group)));
  }

  static #group(reason, { items, final }) {
    const group = Object.assign(document.createElement("div"), { className: "group" });
    const names = items.slice(0, View.NAMED).map((item) => item.path).join(", ");
    const rest = items.length > View.NAMED ? ` and ${Words.number(items.length - View.NAMED)} more` : "";
    const words = document.createElement("div");
    words.append(Object.assign(document.createElement("h3"), { textContent: `${reason} (${Words.number(items.length)})` }),
      Object.assign(document.createElement("p"), { className: "names", textContent: names + rest }));
    group.append(words);
    if (!final) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: "Send anyway" });
      button.dataset.sendAnyway = reason;
      button.setAttribute("aria-label", `Send anyway: ${reason}`);
      group.append(button);
    }
    return group;
  }

  stage({ total: known, processed, failed, held }) {
    const total = Math.max(known, this.queue.sent + this.queue.toGo);
    this.#bar("done-bar", total ? (processed / total) * 100 : 0);
    const parts = [`${Words.number(processed)} of ${Words.files(total)}`];
    if (held) parts.push(`${Words.number(held)} held for review`);
    if (failed) parts.push(`${Words.number(failed)} failed`);
    this.at("done-note").textContent = parts.join(" · ");
  }
}
