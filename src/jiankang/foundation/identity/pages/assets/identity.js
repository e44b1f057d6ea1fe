// Keys of the steward's desk: a letter does what the part with that letter in data-key does.
"use strict";

(() => {
  const settling = 300; // milliseconds: a key meant for the question before answers none that nobody has seen
  let since = performance.now();
  window.addEventListener("pageshow", () => { since = performance.now(); });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const letter = /^Key([A-Z])$/.exec(event.key.length === 1 ? "" : event.code); // an input method hides the letter
    const key = (letter ? letter[1] : event.key).toLowerCase();
    const part = /^[a-z]$/.test(key) ? document.querySelector(`[data-key~="${key}"]`) : null;
    if (!part) return;
    event.preventDefault();
    if (part.matches("input")) part.focus();
    else if (!part.matches("button") || performance.now() - since > settling) part.click();
  });
})();
