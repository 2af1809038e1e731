"use strict";
/* One file to the service. Answers what became of it:
   sent | duplicate | refused (its own fault) | again (try later) | session | aborted |
   closed, full (the batch takes no more: another one will) */
const Transfer = (() => {
  const FULL = ["batch-too-many-files", "batch-too-large"];
  const json = (text) => { try { return JSON.parse(text); } catch { return {}; } };

  function verdict(request, print) {
    const answer = json(request.responseText);
    if (request.status === 202 && answer.upload_id && answer.digest) {
      if (print && print !== answer.digest) return { kind: "again", reason: "It arrived changed" };
      return { kind: answer.duplicate ? "duplicate" : "sent" };
    }
    if (request.status === 401) return { kind: "session" };
    if (request.status === 400 && answer.code === "csrf") return { kind: "session" };
    if (request.status === 409) return { kind: "closed" };
    const reason = answer.title || `The service answered ${request.status} and did not confirm the file`;
    if (FULL.includes(answer.code)) return { kind: "full", reason };
    if (request.status === 507) return { kind: "refused", reason, mayPass: true };
    if (request.status === 429 || request.status >= 500) {
      return { kind: "again", reason, after: Number(request.getResponseHeader("Retry-After")) || 0 };
    }
    /* An answer that is not the service's own, such as a proxy's page, may pass. */
    return { kind: "refused", reason, mayPass: request.status < 400 };
  }

  function send(item, batch, headers, print, onProgress) {
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      item.abort = () => request.abort();
      request.open("POST", batch.files);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("X-File-Name", encodeURIComponent(item.file.name.toWellFormed?.() ?? item.file.name));
      request.setRequestHeader("Accept", "application/json");
      request.upload.onprogress = (event) => onProgress(event.loaded);
      request.onload = () => done(verdict(request, print));
      request.onerror = () => done({ kind: "again", lost: true, reason: "The connection broke, or the file changed" });
      request.onabort = () => done({ kind: "aborted" });
      request.send(item.file);
    });
  }

  /* Noticing the same bytes twice is a courtesy: it never blocks a file from being sent. */
  const HASHED = 64 * 2 ** 20;
  async function fingerprint(file) {
    if (!globalThis.crypto?.subtle || file.size > HASHED) return null;
    try {
      const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    } catch {
      return null;
    }
  }

  async function post(url, csrf) {
    const answer = await fetch(url, { method: "POST", headers: { "X-CSRFToken": csrf, Accept: "application/json" } });
    return { status: answer.status, body: answer.ok && answer.status !== 204 ? await answer.json() : {} };
  }

  return { send, fingerprint, post };
})();
