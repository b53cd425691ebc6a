// What pages do beyond links and forms. Nothing is evaluated, and no other server is asked.
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

// The wipe of a tile follows the pointer.
document.addEventListener("pointermove", (event) => {
  const wipe = event.target.closest?.("[data-wipe]");
  if (!wipe || event.pointerType === "touch") return;
  const box = wipe.getBoundingClientRect();
  wipe.classList.add("wiping");
  wipe.style.setProperty("--wipe", `${(100 * (event.clientX - box.left)) / box.width}%`);
});
document.addEventListener("pointerout", (event) => {
  const wipe = event.target.closest?.("[data-wipe]");
  if (!wipe || wipe.contains(event.relatedTarget)) return;
  wipe.classList.remove("wiping");
  wipe.style.removeProperty("--wipe");
});

// On a narrow screen a button opens the filters; the page keeps the state, since results are replaced.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[aria-controls=facets]");
  if (button) button.setAttribute("aria-expanded", String(document.body.classList.toggle("filtering")));
});

// Buttons that copy a text.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  } catch {
    getSelection().selectAllChildren(text);
    toast("Selected: copy it with the keyboard.");
  }
});

// The selection outlives the pages of the gallery.
(() => {
  const form = document.getElementById("selection");
  if (!form) return;
  const KEY = "selection";
  const read = () => {
    try {
      return new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));
    } catch {
      return new Set();
    }
  };
  const chosen = read();
  const show = () => {
    for (const box of document.querySelectorAll("input[form=selection]")) box.checked = chosen.has(box.value);
    for (const old of form.querySelectorAll("input[type=hidden]")) old.remove();
    const here = new Set([...document.querySelectorAll("input[form=selection]")].map((box) => box.value));
    for (const id of chosen) {
      if (here.has(id)) continue;
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name: "id", value: id });
      form.append(input);
    }
    form.hidden = chosen.size === 0;
    document.body.classList.toggle("selecting", chosen.size > 0);
    form.querySelector("[data-count]").textContent = String(chosen.size);
    for (const button of form.querySelectorAll("[data-least]")) {
      button.disabled = chosen.size < Number(button.dataset.least) || chosen.size > Number(button.dataset.most);
    }
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...chosen]));
    } catch {
      // no storage: it holds for this page
    }
  };
  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[form=selection]")) return;
    chosen[event.target.checked ? "add" : "delete"](event.target.value);
    show();
  });
  form.querySelector("[data-clear]").addEventListener("click", () => {
    chosen.clear();
    show();
  });
  document.addEventListener("htmx:afterSwap", show);
  addEventListener("pageshow", show);
  show();
})();

// The heat map: the picture of all steps is cut into one for each step.
for (const figure of document.querySelectorAll("[data-map]")) {
  const { columns, steps, width, height } = Object.fromEntries(
    ["columns", "steps", "width", "height"].map((name) => [name, Number(figure.dataset[name])]),
  );
  const timesteps = JSON.parse(figure.dataset.timesteps);
  const [canvas, still] = [figure.querySelector("canvas"), figure.querySelector("img")];
  const [slider, output, play] = ["input[type=range]", "output", "[data-play]"].map((part) => figure.querySelector(part));
  const over = figure.querySelector("[data-over]");
  const after = document.getElementById("after");
  const sprite = new Image();
  let timer = 0;

  const draw = () => {
    const step = Number(slider.value);
    const all = step === steps;
    const side = over?.checked && after?.naturalWidth ? Math.max(after.naturalWidth, width) : width;
    const scale = side / width;
    Object.assign(canvas, { width: side, height: Math.round(height * scale) });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const [x, y] = all ? [0, 0] : [(step % columns) * width, Math.floor(step / columns) * height];
    if (over?.checked && after) {
      context.globalAlpha = 0.45;
      context.drawImage(after, 0, 0, canvas.width, canvas.height);
      context.globalAlpha = 1;
      context.globalCompositeOperation = "screen";
    }
    context.drawImage(all ? still : sprite, x, y, width, height, 0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
    canvas.hidden = false;
    const text = all ? "all steps" : `step ${step} of ${steps - 1}, timestep ${Number(timesteps[step].toPrecision(6))}`;
    output.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    for (const cursor of document.querySelectorAll(".cursor")) {
      const place = (100 * (step + 0.5)) / steps;
      cursor.setAttribute("d", all ? "" : `M${place} 0 L${place} 100`);
    }
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    if (Number(slider.value) >= steps - 1) slider.value = "0";
    draw();
    timer = setInterval(() => {
      slider.value = String((Number(slider.value) + 1) % steps);
      draw();
    }, Math.max(60, Math.min(250, 4000 / steps)));
    return undefined;
  });
  slider.addEventListener("input", () => {
    stop();
    draw();
  });
  over?.addEventListener("change", draw);
  sprite.addEventListener("load", () => {
    figure.querySelector(".player").hidden = false;
  });
  sprite.src = figure.dataset.source;
}

// A tag that was added leaves the field, to make room for the next.
document.addEventListener("htmx:afterRequest", (event) => {
  const add = document.getElementById("add");
  if (!add || event.detail.elt.id !== "annotation" || !event.detail.successful) return;
  if (add.value === event.detail.requestConfig.parameters.add) add.value = "";
});
