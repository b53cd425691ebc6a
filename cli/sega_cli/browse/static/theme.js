// Light, dark or as the system has it; before anything is drawn, so that nothing flashes.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // no storage: as the system has it
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
