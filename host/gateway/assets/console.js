"use strict";
// The console without this file is whole: links and forms do everything. This adds relative
// times, an inbox that follows, single keys, and a moment before an answer can be given.

const every = (selector, root = document) => [...root.querySelectorAll(selector)];

// Times: near ones as a distance, the moment itself on pointing at it.
const distance = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const near = 36 * 3600;

function tell(time) {
  const at = Date.parse(time.dateTime);
  const seconds = Math.round((at - Date.now()) / 1000);
  time.title ||= time.textContent + " UTC";
  if (Number.isNaN(at) || Math.abs(seconds) > near || "exact" in time.dataset) return;
  const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) ?? steps[3];
  time.textContent = distance.format(Math.trunc(seconds / size), unit);
}

function tellAll() {
  every("time[datetime]").forEach(tell);
}

// An answer waits a moment after the page shows: what moved under the pointer is not meant.
function guard() {
  for (const form of every("form[data-guard]")) {
    const buttons = every("button[name]", form);
    buttons.forEach((button) => { button.disabled = true; });
    setTimeout(() => buttons.forEach((button) => { button.disabled = false; }), Number(form.dataset.guard));
  }
}

// Once sent is enough.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  every("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
  guard();
});

// The inbox follows what happens. Rows are never moved under a reader: what is new is offered.
function follow() {
  const list = document.getElementById("inbox");
  const show = document.querySelector("[data-show]");
  if (!list || !show) return;
  let fresh = null;
  let asking = false;
  let again = false;

  const ids = (root) => every("[data-id]", root).map((row) => row.dataset.id);
  const take = () => {
    if (!fresh) return;
    document.getElementById("inbox").replaceChildren(...fresh.childNodes);
    fresh = null;
    show.hidden = true;
    show.textContent = "";
    tellAll();
  };
  const look = () => {
    if (asking) { again = true; return; }
    asking = true;
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onloadend = () => {
      asking = false;
      const found = request.status === 200 && request.response?.getElementById("inbox");
      if (found) {
        const waiting = request.response.querySelector("[data-waiting]");
        every("[data-waiting]").forEach((count) => { count.textContent = waiting?.textContent ?? ""; });
        fresh = document.importNode(found, true);
        const here = ids(document.getElementById("inbox"));
        const news = ids(fresh).filter((id) => !here.includes(id)).length;
        if (news === 0 || here.length === 0 || !document.hasFocus()) {
          take();
        } else {
          show.textContent = news === 1 ? "1 new question: show it" : news + " new questions: show them";
          show.hidden = false;
        }
      }
      if (again) { again = false; look(); }
    };
    request.send();
  };
  show.addEventListener("click", take);
  const events = new EventSource(list.dataset.events);
  for (const kind of ["asked", "vote", "ended", "used"]) events.addEventListener("approval." + kind, look);
  // What happened while nobody listened.
  events.addEventListener("missed", look);
  events.addEventListener("open", look);
}

// Single keys, unless turned off or something is being typed.
function keys() {
  if (document.documentElement.dataset.keys === "off") return;
  let place = -1;
  let before = "";
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = every("tr[data-row]");
    const key = before === "g" && event.key === "i" ? "g i" : event.key;
    before = event.key;
    if (key === "j" || key === "k") {
      rows[place]?.classList.remove("at");
      place = Math.max(0, Math.min(rows.length - 1, place + (key === "j" ? 1 : -1)));
      rows[place]?.classList.add("at");
      rows[place]?.querySelector("th a, a")?.focus();
    } else if (key === "o") {
      rows[place]?.querySelector("th a, a")?.click();
    } else if (key === "/") {
      const filter = document.querySelector("[data-filter]");
      if (!filter) return;
      event.preventDefault();
      filter.focus();
    } else if (key === "g i") {
      location.assign("/console");
    }
  });
}

tellAll();
setInterval(tellAll, 15000);
follow();
keys();
