"use strict";
/* What every page does: local times, polite announcements, an ended session, a page
   brought back from the browser's memory after somebody logged out. */
const Page = (() => {
  const live = () => document.getElementById("live");

  function announce(text) {
    const region = live();
    if (region && region.textContent !== text) region.textContent = text;
  }

  const localTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  function showLocalTimes(root) {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.textContent = localTime.format(at);
      time.title = time.dateTime;
    }
  }

  function notice(kind, text, link) {
    const place = document.getElementById("notices");
    const box = document.createElement("div");
    box.className = `notice is-${kind}`;
    const sentence = document.createElement("p");
    sentence.append(text);
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link.href;
      anchor.textContent = link.text;
      sentence.append(" ", anchor);
    }
    box.append(sentence);
    place.replaceChildren(box);
    place.hidden = false;
  }

  function logInLink() {
    const here = location.pathname + location.search;
    return { href: `/login?next=${encodeURIComponent(here)}`, text: "Log in and come back here" };
  }

  const loggedOut = () => notice("held", "You have been logged out.", logInLink());

  /* A picture that cannot be had gets a card of its own and stops nothing else. */
  function replaceBrokenPicture(image) {
    const card = document.createElement("span");
    card.className = "none";
    card.textContent = image.dataset.missing || "No picture";
    image.replaceWith(card);
  }

  document.addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement && "missing" in event.target.dataset) {
      replaceBrokenPicture(event.target);
    }
  }, true);

  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401) return loggedOut();
    return notice("failed", "The service could not answer this. Load the page again.");
  });
  document.addEventListener("htmx:sendError", () => {
    notice("held", "The connection is lost. What you see may be out of date.");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const notices = document.getElementById("notices");
    if (event.detail.successful && notices.querySelector(".is-held")) notices.hidden = true;
  });
  /* An address holds the filters that were chosen, not the empty ones. */
  document.addEventListener("htmx:configRequest", (event) => {
    const { parameters, verb } = event.detail;
    if (verb !== "get") return;
    for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
  });
  document.addEventListener("htmx:afterSettle", () => {
    showLocalTimes(document);
    const spoken = document.querySelector("[data-announce]");
    if (spoken) announce(spoken.dataset.announce);
  });

  document.addEventListener("input", (event) => {
    const rows = document.getElementById(event.target.dataset?.filters ?? "");
    if (!rows) return;
    const wanted = event.target.value.trim().toLowerCase();
    for (const row of rows.children) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });

  window.addEventListener("pageshow", async (event) => {
    if (!event.persisted || !document.querySelector(".who")) return;
    const answer = await fetch("/session", { headers: { Accept: "application/json" } });
    if (answer.status === 401) location.reload();
  });

  document.addEventListener("DOMContentLoaded", () => {
    showLocalTimes(document);
    for (const image of document.querySelectorAll("img[data-missing]")) {
      if (image.complete && image.naturalWidth === 0) replaceBrokenPicture(image);
    }
  });

  return { announce, loggedOut, notice, showLocalTimes };
})();
