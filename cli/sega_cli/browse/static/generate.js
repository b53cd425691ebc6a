// Apply, record and jobs: sliders show their values, vectors are picked, and a job's progress is followed.
"use strict";

document.addEventListener("input", (event) => {
  const slider = event.target;
  if (!slider.matches?.("input[type=range][data-start]")) return;
  const place = slider.closest(".slider");
  const started = Math.abs(slider.value - slider.dataset.start) < slider.step / 2;
  const never = "endless" in slider.dataset && slider.value === slider.max;
  const text = started ? slider.dataset.startText : never ? "never" : String(Number(Number(slider.value).toFixed(2)));
  place.querySelector(".value").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  place.classList.toggle("changed", !started);
});

// The address names what is picked, so that the page can be loaded again and shared.
document.addEventListener("picked", () => {
  const ids = [...document.querySelectorAll("#picked [name=id]")].map((input) => `id=${encodeURIComponent(input.value)}`);
  history.replaceState(null, "", ids.length ? `/apply?${ids.join("&")}` : "/apply");
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-remove]");
  if (!button) return;
  button.closest(".chosen").remove();
  document.getElementById("vectors").focus();
  document.body.dispatchEvent(new Event("picked", { bubbles: true }));
});

// Whoever enters a seed or chooses a noise wants to start from it.
document.addEventListener("change", (event) => {
  const start = event.target.closest?.(".start");
  if (start) start.querySelector("[type=radio]").checked = true;
});

const job = document.getElementById("job");

function show(told) {
  document.getElementById("where").textContent = told.text;
  job.querySelector("progress").value = told.part;
  for (const figure of job.querySelectorAll("[data-shot]")) {
    const shot = Number(figure.dataset.shot);
    const made = told.pictures.includes(shot);
    figure.classList.toggle("running", told.shot === shot && !made);
    const actions = figure.querySelector(".actions");
    if (made && actions.classList.contains("waiting")) {
      actions.classList.remove("waiting");
      picture(figure, `${job.dataset.path}/pictures/${shot}.png`);
    } else if (!made && told.live && told.live[0] === shot && figure.dataset.live !== String(told.live[1])) {
      figure.dataset.live = told.live[1];
      picture(figure, `${job.dataset.path}/live?${told.live[1]}`);
    }
  }
  if (told.state !== job.dataset.state) {
    job.dataset.state = told.state;
    document.getElementById("state").textContent = told.text;
  }
}

// Replaces the previous picture once the new one is loaded, so that nothing flickers.
function picture(figure, address) {
  const image = figure.querySelector("img");
  const next = image.cloneNode();
  figure.next = next;
  next.onload = () => {
    if (figure.next !== next) return;
    next.hidden = false;
    figure.querySelector("img").replaceWith(next);
  };
  next.src = address;
}

function follow() {
  const source = new EventSource(`${job.dataset.path}/events`);
  addEventListener("pagehide", () => source.close());
  source.onmessage = (event) => {
    const told = JSON.parse(event.data);
    show(told);
    if (!["done", "failed", "cancelled"].includes(told.state)) return;
    source.close();
    document.getElementById("cancel").hidden = true;
    document.getElementById("again").hidden = false;
    htmx.ajax("GET", `${job.dataset.path}/outcome`, { target: "#outcome", swap: "innerHTML" });
  };
  source.onerror = () => {
    document.getElementById("where").textContent = "The server doesn't answer; trying again";
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
}

if (job && ["queued", "running"].includes(job.dataset.state)) follow();
