// Keeps pages up to date, and imports files. Without it everything works by forms.
"use strict";

const EVERY = 5000; // milliseconds between two looks at what changed
const SHARE = 20; // and at least this many times what the last look took

const liveSwitch = document.getElementById("live-switch");
const announce = document.getElementById("announce");

function isLive() {
  return liveSwitch?.getAttribute("aria-pressed") === "true";
}

let asked = 0; // when the last look began
let pause = EVERY;

function tick() {
  if (document.visibilityState !== "visible" || !isLive()) return;
  asked = performance.now();
  for (const part of document.querySelectorAll("[data-live]")) {
    part.dispatchEvent(new Event("tick"));
  }
}

// Says that what is seen is not the newest; it stays, rather than an error in its place.
function late(on) {
  if (liveSwitch.classList.contains("late") === on) return;
  liveSwitch.classList.toggle("late", on);
  liveSwitch.textContent = on ? "No answer" : "Live";
  announce.textContent = on ? "The service does not answer: the page may be out of date." : "The page is up to date again.";
}

if (liveSwitch && document.querySelector("[data-live]")) {
  liveSwitch.hidden = false;
  liveSwitch.addEventListener("click", () => {
    const on = !isLive();
    liveSwitch.setAttribute("aria-pressed", String(on));
    announce.textContent = on ? "The page brings itself up to date." : "The page stays as it is.";
    tick();
  });
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:after:request", () => {
    pause = Math.max(EVERY, SHARE * (performance.now() - asked));
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { status, headers } = event.detail.ctx.response;
    const ours = headers.get("content-type")?.startsWith("text/html");
    const usable = status === 204 || (ours && status < 500);
    late(!usable);
    if (!usable) event.preventDefault();
  });
  document.addEventListener("htmx:error", () => late(true));
  const again = () => { tick(); setTimeout(again, pause); };
  setTimeout(again, EVERY);
}

// Import of vouchers: one request a file, told line by line how far it is.

const WORDS = { imported: "imported", extended: "extended", unchanged: "unchanged", refused: "refused" };
const SHOWN_REFUSALS = 200;

function sentences(...said) {
  return said.filter(Boolean).map((one) => /[.!?]$/.test(one) ? one : `${one}.`).join(" ");
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

class Upload {
  constructor(part, file) {
    this.file = file;
    this.part = part;
    this.total = 0;
    this.done = 0;
    this.read = 0;
    this.seen = { imported: 0, extended: 0, unchanged: 0, refused: 0 };
    this.row = element("li");
    this.name = element("bdi", file.name);
    this.progress = element("progress");
    this.progress.max = 1;
    this.progress.value = 0;
    this.progress.setAttribute("aria-label", `Import of ${file.name}`);
    this.said = element("span", "waits", "quiet");
    this.stop = element("button", "Stop");
    this.stop.type = "button";
    this.refusals = element("ul", undefined, "plain refusals");
    this.row.append(this.name, " ", this.progress, " ", this.said, " ", this.stop, this.refusals);
    part.querySelector(".files").append(this.row);
  }

  run() {
    const limit = Number(this.part.dataset.limit);
    if (this.file.size === 0) return this.end("bad", "is empty");
    if (this.file.size > limit) return this.end("bad", `is over ${limit / 1048576} MiB: cut it into several files`);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", this.part.dataset.import);
      request.setRequestHeader("X-CSRF-Token", document.querySelector("meta[name=csrf]").content);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => {
        this.said.textContent = "is sent";
        if (event.lengthComputable) this.progress.value = 0.2 * event.loaded / event.total;
      };
      request.onprogress = () => this.take(request);
      request.onload = () => { this.take(request); this.finish(request); resolve(); };
      request.onerror = () => { this.end("bad", "the service did not answer; import it again, what was taken stays"); resolve(); };
      request.onabort = () => { this.end("warn", `stopped; ${this.summary()}`); resolve(); };
      this.stop.onclick = () => request.abort();
      request.send(this.file);
    });
  }

  take(request) {
    if (request.status !== 200) return;
    const text = request.responseText;
    let end;
    while ((end = text.indexOf("\n", this.read)) >= 0) {
      this.told(JSON.parse(text.slice(this.read, end)));
      this.read = end + 1;
    }
    if (this.total) {
      this.progress.value = 0.2 + 0.8 * this.done / this.total;
      this.said.textContent = `${this.done} of ${this.total}`;
    }
  }

  told(line) {
    if (line.total !== undefined) this.total = line.total;
    if (line.item) this.item(line.item);
    if (line.problem) this.problem = line.problem;
    if (line.counts) this.complete = true;
  }

  item(item) {
    this.done += 1;
    this.seen[item.status] += 1;
    const badPassport = item.passport === "refused";
    if (item.status !== "refused" && !badPassport) return;
    if (this.refusals.childElementCount >= SHOWN_REFUSALS) return;
    const row = element("li");
    row.append(element("span", item.status, item.status === "refused" ? "badge bad" : "badge warn"), " ");
    row.append(element("code", item.guid ?? `voucher ${item.index + 1}`), " ");
    row.append(badPassport ? "its passport was refused" : item.detail ?? "");
    this.refusals.append(row);
  }

  finish(request) {
    if (request.status === 401) return this.end("bad", "your session is over: log in again");
    if (request.status !== 200) {
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* not ours: say what we know */ }
      return this.end("bad", sentences(told.detail ?? `refused (${request.status})`, told.remedy));
    }
    if (this.problem || !this.complete) return this.end("bad", sentences(this.problem?.detail ?? "it ended early", this.summary()));
    this.progress.value = 1;
    const tone = this.seen.refused ? (this.seen.refused === this.total ? "bad" : "warn") : "good";
    this.end(tone, this.summary());
  }

  summary() {
    const parts = Object.keys(WORDS).filter((name) => this.seen[name]).map((name) => `${this.seen[name]} ${WORDS[name]}`);
    return parts.join(", ") || "nothing was taken";
  }

  end(tone, text) {
    this.said.className = `badge ${tone}`;
    this.said.textContent = text;
    this.stop.remove();
    announce.textContent = `${this.file.name}: ${text}`;
    tick();
  }
}

function importing(part) {
  const drop = part.querySelector(".drop");
  const input = part.querySelector("input[type=file]");
  let last = Promise.resolve();
  const take = (files) => {
    for (const file of files) {
      const upload = new Upload(part, file);
      last = last.then(() => upload.run());
    }
  };
  drop.hidden = false;
  input.addEventListener("change", () => { take(input.files); input.value = ""; });
  for (const name of ["dragenter", "dragover"]) {
    part.addEventListener(name, (event) => { event.preventDefault(); part.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) part.addEventListener(name, () => part.classList.remove("over"));
  part.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
}

for (const part of document.querySelectorAll("[data-import]")) importing(part);
