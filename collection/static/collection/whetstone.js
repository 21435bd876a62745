// What the pages do beyond their forms, all of which work without this file: counting characters, saving drafts, keys.
(() => {
  "use strict";

  const cookie = (name) => document.cookie.split("; ").find((item) => item.startsWith(name + "="))?.slice(name.length + 1);

  // As the server counts: characters of the composed form, without the space around it.
  const length = (text) => [...text.normalize("NFC").trim()].length;

  const count = (box) => {
    const shown = document.getElementById("count-" + box.name);
    if (!shown) return;
    shown.dataset.limits ??= shown.textContent;
    shown.textContent = `${length(box.value)} / ${box.dataset.longest} · ${shown.dataset.limits}`;
    shown.classList.toggle("over", length(box.value) > Number(box.dataset.longest));
  };

  // One timer a box: a draft is sent when typing pauses, and never for a box that has left the page.
  const timers = new WeakMap();
  const draft = (box) => {
    clearTimeout(timers.get(box));
    timers.set(box, setTimeout(() => save(box), 800));
  };
  const save = (box) => {
    const assignment = box.form?.elements.assignment?.value;
    if (!document.contains(box) || !assignment) return;
    htmx.ajax("POST", box.dataset.draft, {
      values: { assignment, [box.name]: box.value }, target: "#saved", swap: "outerHTML",
    }).catch(() => {});
  };

  document.addEventListener("input", (event) => {
    const box = event.target;
    if (box.dataset.longest) count(box);
    if (box.dataset.draft) draft(box);
  });

  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "TEXTAREA" && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.target.form?.requestSubmit(event.target.form.querySelector("button:not([name])") ?? undefined);
    }
    const keys = document.querySelector("#shortcuts input");
    if (!keys?.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const wanted = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]:not(:disabled)`);
    if (!wanted) return;
    event.preventDefault();
    wanted.click();
    if (wanted.tagName === "SUMMARY") wanted.parentElement.querySelector("textarea")?.focus();
  });

  document.addEventListener("change", (event) => {
    if (event.target.closest("#shortcuts")) localStorage.setItem("shortcuts", event.target.checked ? "on" : "off");
  });

  // The cookie's token, not the page's: the page may be from before a login in another tab.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const token = cookie("csrftoken");
    if (!token) return;
    detail.headers["X-CSRFToken"] = token;
    detail.parameters.delete?.("csrfmiddlewaretoken");
  });

  // What renews itself does not change under the hands of somebody who is about to press a button in it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("#live, #release") && event.detail.elt.querySelector(":focus, input:checked")) event.preventDefault();
  });

  const failed = (hidden, status) => {
    const note = document.getElementById("failed");
    if (!note) return;
    const shown = note.querySelector(`[data-for="${status}"]`) ?? note.querySelector("[data-for=other]");
    for (const item of note.children) item.hidden = item !== shown;
    note.hidden = hidden;
    // The form may be far below it.
    if (!hidden) note.scrollIntoView({ block: "nearest" });
  };
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, ({ detail }) => failed(false, detail.xhr?.status));
  }
  document.addEventListener("htmx:afterSwap", () => failed(true));

  const prepare = (part) => {
    part.querySelectorAll("textarea[data-longest]").forEach(count);
    const keys = part.querySelector("#shortcuts");
    if (keys) {
      keys.hidden = false;
      keys.firstElementChild.checked = localStorage.getItem("shortcuts") !== "off";
    }
    const undo = part.querySelector("[data-expires]");
    if (undo) setTimeout(() => undo.closest("form").remove(), 1000 * Number(undo.dataset.expires));
  };
  document.addEventListener("htmx:load", ({ detail }) => prepare(detail.elt));
  if (document.readyState !== "loading") prepare(document); else document.addEventListener("DOMContentLoaded", () => prepare(document));
})();
