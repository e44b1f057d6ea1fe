// What makes pages handier where scripts run; without them everything works by forms and links.
"use strict";

// "/" goes to the search field, as long as nobody is writing.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("[data-search]");
  if (field) { event.preventDefault(); field.focus(); field.select(); }
});

// An error summary is what a reader is to hear of first.
const summary = document.querySelector("[data-focus]");
if (summary) summary.focus();

// A form that takes a while says so, and is not sent twice.
document.addEventListener("submit", (event) => {
  const busy = document.getElementById(event.target.dataset.busy || "");
  if (!busy || event.submitter?.hasAttribute("data-quiet")) return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
  busy.classList.add("jk-on");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const busy of document.querySelectorAll(".jk-busy.jk-on")) busy.classList.remove("jk-on");
});

// Of what can be chosen, that for the type of resource in a field comes first.
for (const select of document.querySelectorAll("select[data-kind-of]")) {
  const field = document.getElementById(select.dataset.kindOf);
  const sort = () => {
    const found = /"resourceType"\s*:\s*"(\w+)"|<(\w+)[^>]*\sxmlns="http:\/\/hl7\.org\/fhir"/.exec(field.value.slice(0, 100000));
    const kind = found && (found[1] || found[2]);
    const group = [...select.querySelectorAll("optgroup")].find((each) => each.label === kind);
    if (group) select.querySelector("optgroup").before(group);
  };
  field.addEventListener("input", sort);
  sort();
}
