"use strict";
/* Ties the page to the queue. */
(() => {
  const form = document.getElementById("upload");
  if (!form) return;
  const limits = {
    fileMb: Number(form.dataset.maxFileMb), imageMb: Number(form.dataset.maxImageMb),
    batchMb: Number(form.dataset.maxBatchMb), files: Number(form.dataset.maxFiles),
  };
  const server = new Server(form, limits);
  const study = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  let wake = () => {};

  /* Waits, or less long when the connection or the person comes back. */
  const pause = (milliseconds) => new Promise((done) => { wake = done; setTimeout(done, milliseconds); });
  const queue = new Queue(server, limits, { changed: () => view.changed(), finished, pause });
  const view = new View(queue);

  function finished() {
    const { sent, duplicate, skippedCount: skipped, failed } = queue;
    Page.announce(`${Words.files(sent)} sent, ${duplicate} duplicate, ${skipped} skipped, ${failed.length} failed.`);
    follow();
    const plain = sent && !duplicate && !skipped && !failed.length;
    if (plain && server.batches.length === 1) location.assign(server.latest.page);
  }

  let following = false;
  async function follow() {
    if (following || !server.latest) return;
    following = true;
    for (;;) {
      const stage = await server.progress();
      view.stage(stage);
      if (queue.idle && stage.total && stage.processed >= stage.total) break;
      await new Promise((done) => { setTimeout(done, 2000); });
    }
    following = false;
  }

  function take(found) {
    queue.add(found, form.elements.one_examination.checked ? study : null);
    begin();
  }

  let begun = false;
  function begin() {
    if (begun) return;
    begun = true;
    const timer = setInterval(() => {
      if (server.latest) { clearInterval(timer); follow(); }
    }, 1000);
  }

  for (const input of [form.elements.files, document.getElementById("folder")]) {
    input.addEventListener("change", () => { queue.during(Walk.fromList(input.files, take)); input.value = ""; });
  }
  form.addEventListener("submit", (event) => event.preventDefault());

  let depth = 0;
  const dragging = (on) => document.documentElement.classList.toggle("is-dragging", on);
  document.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; dragging(true); });
  document.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) dragging(false); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    dragging(false);
    queue.during(Walk.fromDrop(event.dataTransfer, take));
  });

  document.getElementById("pause").addEventListener("click", () => queue.setPaused(!queue.paused));
  document.getElementById("cancel").addEventListener("click", () => queue.cancel());
  document.getElementById("retry-all").addEventListener("click", () => queue.retryFailed());
  document.getElementById("skipped").addEventListener("click", (event) => {
    const reason = event.target.closest("[data-send-anyway]")?.dataset.sendAnyway;
    if (reason) queue.sendAnyway(reason);
  });

  window.addEventListener("online", () => wake());
  window.addEventListener("focus", () => wake());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
  window.addEventListener("beforeunload", (event) => { if (!queue.idle) event.preventDefault(); });
  window.addEventListener("pagehide", () => { server.closeWhileLeaving(); });
})();
