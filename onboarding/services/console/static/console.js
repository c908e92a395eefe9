// Keeps pages up to date, and imports files. Without it everything works by forms.
"use strict";

const EVERY = 5000; // milliseconds between two looks at what changed

const liveSwitch = document.getElementById("live-switch");
const announce = document.getElementById("announce");

function isLive() {
  return liveSwitch?.getAttribute("aria-pressed") === "true";
}

function tick() {
  if (document.visibilityState !== "visible" || !isLive()) return;
  for (const part of document.querySelectorAll("[data-live]")) {
    part.dispatchEvent(new Event("tick"));
  }
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
  setInterval(tick, EVERY);
}
