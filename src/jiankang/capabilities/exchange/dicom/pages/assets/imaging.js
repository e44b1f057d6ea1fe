// The arrow keys follow the links to the previous and the next image. Without scripts the links do.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const way = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = way && document.querySelector(`.jk-image-steps a[rel="${way}"]`);
  if (link) { event.preventDefault(); link.click(); }
});
