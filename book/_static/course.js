// Small things the theme lacks. Everything works without them except the JupyterHub button.
"use strict";

// From file:// a page may not fetch another one: list the hits without their extracts.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// What is unfolded may scroll or hold a plot: let the theme and Plotly measure it again.
const measureAgain = () => requestAnimationFrame(() => dispatchEvent(new Event("resize")));
document.addEventListener("toggle", measureAgain, true);
document.addEventListener("click", event => {
  if (event.target.closest(".toggle-button, .toggle .admonition-title")) measureAgain();
});

// Print what is folded as well.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".bd-article details")) details.open = true;
});

// Open a notebook on the reader's own hub (it needs nbgitpuller); its address stays in this browser.
function courseHub(repository, branch, path) {
  const name = repository.split("/").pop();
  const dialog = document.createElement("dialog");
  dialog.className = "course-hub";
  dialog.setAttribute("aria-labelledby", "course-hub-title");
  dialog.innerHTML =
    '<form method="dialog"><h2 id="course-hub-title">Open on your JupyterHub</h2>' +
    '<label for="course-hub-url">Address of the hub, which must offer nbgitpuller</label>' +
    '<input id="course-hub-url" type="url" required placeholder="https://hub.example.edu">' +
    '<button value="open">Open</button><button value="cancel" formnovalidate>Cancel</button></form>';
  const input = dialog.querySelector("input");
  input.value = localStorage.getItem("course-hub") || "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "open" && input.value) {
      const hub = input.value.replace(/\/+$/, "");
      localStorage.setItem("course-hub", hub);
      const query = new URLSearchParams({ repo: repository, urlpath: `lab/tree/${name}/${path}`, branch: branch });
      window.open(`${hub}/hub/user-redirect/git-pull?${query}`, "_blank", "noopener");
    }
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}
