"use strict";
/* The service as the queue sees it: the batch files go into, the session, the progress. */
class Server {
  static MEGABYTE = 2 ** 20;

  constructor(form, limits) {
    this.urls = form.dataset;
    this.csrf = form.elements.csrf_token.value;
    this.person = form.dataset.person;
    this.limits = limits;
    this.batches = [];
    this.opening = null;
  }

  get current() { return this.batches.findLast((batch) => batch.open && !batch.full) ?? null; }
  get latest() { return this.batches.at(-1) ?? null; }

  /* The batch this file goes into, opened with the first and followed by another when full.
     Answers a batch, or what went wrong, as Transfer.send does. */
  async room(size) {
    while (!this.current) {
      this.opening ??= this.#open().finally(() => { this.opening = null; });
      const trouble = await this.opening;
      if (trouble) return trouble;
    }
    const batch = this.current;
    batch.count += 1;
    batch.bytes += size;
    batch.full = batch.count >= this.limits.files || batch.bytes >= this.limits.batchMb * Server.MEGABYTE;
    return batch;
  }

  /* A file that did not arrive leaves its room to the next. */
  giveBack(batch, size) {
    batch.count -= 1;
    batch.bytes -= size;
  }

  async #open() {
    const { status, body } = await Transfer.post(this.urls.batches, this.csrf).catch(() => ({ status: 0 }));
    if (status === 201 && body.batch_id) {
      const page = body.location;
      this.batches.push({ page, files: `${page}/files`, close: `${page}/close`, progress: `${page}/progress`,
        count: 0, bytes: 0, open: true, full: false, answer: null });
      return null;
    }
    if (status === 401 || status === 400) return { kind: "session" };
    return { kind: "again", lost: status === 0, reason: "The service could not open a batch" };
  }

  /* Nothing more will come: the batch can end. */
  async close() {
    for (const batch of this.batches.filter((each) => each.open)) {
      const { status } = await Transfer.post(batch.close, this.csrf).catch(() => ({ status: 0 }));
      if (status >= 200 && status < 300) batch.open = false;
    }
  }

  closeWhileLeaving() {
    for (const batch of this.batches.filter((each) => each.open)) {
      const form = new FormData();
      form.append("csrf_token", this.csrf);
      navigator.sendBeacon(batch.close, form);
    }
  }

  /* Whether this person's session stands: "yes", "no", "another" person's, or "lost" connection. */
  async session() {
    try {
      const answer = await fetch(this.urls.session, { headers: { Accept: "application/json" } });
      if (answer.status === 401) return "no";
      if (!answer.ok) return "lost";
      const { csrf_token: csrf, person } = await answer.json();
      if (person !== this.person) return "another";
      this.csrf = csrf;
      return "yes";
    } catch {
      return "lost";
    }
  }

  /* What the service has made of the files so far, all batches of this page together. */
  async progress() {
    await Promise.all(this.batches.filter((batch) => batch.answer?.status !== "completed" || batch.open).map(async (batch) => {
      const answer = await fetch(batch.progress, { headers: { Accept: "application/json" } }).catch(() => null);
      if (answer?.ok) batch.answer = await answer.json();
    }));
    const sum = (field) => this.batches.reduce((all, batch) => all + (batch.answer?.[field] ?? 0), 0);
    return { total: sum("total_files"), processed: sum("processed_files"), failed: sum("failed_files"), held: sum("held_files") };
  }
}
