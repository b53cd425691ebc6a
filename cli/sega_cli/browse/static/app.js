// What pages do beyond links and forms. Nothing is evaluated, and nothing is asked of another server.
"use strict";

const toast = (() => {
  let timer = 0;
  return (text) => {
    const place = document.getElementById("toast");
    place.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => (place.textContent = ""), 6000);
  };
})();

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // no storage: it holds for this page
  }
  document.dispatchEvent(new Event("themechange"));
});

document.addEventListener("htmx:sendError", () => toast("The server doesn't answer. Is sega-vec browse still running?"));
document.addEventListener("htmx:responseError", (event) => toast(event.detail.xhr.responseText.slice(0, 300)));
