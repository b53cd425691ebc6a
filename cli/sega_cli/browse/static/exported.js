// The gallery of an exported site: search, filters and order over the index that is embedded in the page.
"use strict";

(() => {
  const CHUNK = 48;
  const rows = JSON.parse(document.getElementById("index").textContent);
  const list = document.querySelector(".tiles");
  const pattern = list.querySelector(".tile").cloneNode(true);
  const [search, sort] = [document.getElementById("q"), document.getElementById("sort")];
  const summary = document.querySelector(".summary [role=status]");
  const nothing = document.getElementById("nothing");
  const more = document.getElementById("more");
  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  for (const row of rows) {
    row.words = words([row.concept, row.name ?? "", row.prompt, row.model, row.tags.join(" "), row.notes].join(" "));
  }

  const tests = {
    q: (row, text) => words(text).every((asked) => row.words.some((word) => word.startsWith(asked))),
    concept: (row, text) => row.concept === text,
    model: (row, text) => row.model === text,
    noise: (row, text) => row.noise.startsWith(text.toLowerCase()),
    tag: (row, text) => row.tags.includes(text),
    rating: (row, text) => (row.rating ?? 0) >= Number(text),
    date: (row, text) => row.date.startsWith(text),
  };
  const orders = {
    newest: () => 0,
    oldest: () => 0,
    rating: (a, b) => (b.rating ?? 0) - (a.rating ?? 0),
    concept: (a, b) => (a.concept < b.concept ? -1 : Number(a.concept > b.concept)),
  };
  const asked = () => new URLSearchParams(location.hash.slice(1));
  let found = rows;
  let shown = 0;

  const tile = (row) => {
    const made = pattern.cloneNode(true);
    const page = `vectors/${row.id}.html`;
    for (const link of made.querySelectorAll(".shot, .concept")) link.href = page;
    for (const image of made.querySelectorAll("img")) {
      image.src = `pictures/${row.id}/${image.classList.contains("over") ? "after" : "before"}-small.png`;
    }
    const concept = made.querySelector(".concept");
    concept.textContent = row.concept;
    if (row.name) {
      const name = document.createElement("span");
      name.className = "name";
      name.textContent = row.name;
      concept.append(" ", name);
    }
    const texts = { prompt: row.prompt, model: row.model };
    for (const [part, text] of Object.entries(texts)) {
      const place = made.querySelector(`.${part}`);
      place.textContent = place.title = text;
    }
    const noise = made.querySelector(".facts a");
    noise.href = `noises/${row.noise}.html`;
    noise.title = `initial noise ${row.noise}`;
    noise.textContent = row.seed === null ? row.noise.slice(0, 8) : `seed ${row.seed}`;
    made.querySelector(".stars")?.remove();
    if (row.rating) {
      const stars = document.createElement("span");
      stars.className = "stars";
      stars.setAttribute("role", "img");
      stars.setAttribute("aria-label", `${row.rating} of 5 stars`);
      stars.textContent = "★".repeat(row.rating);
      made.querySelector(".facts").append(stars);
    }
    return made;
  };
  const extend = () => {
    const next = found.slice(shown, shown + CHUNK);
    list.append(...next.map(tile));
    shown += next.length;
    more.hidden = shown >= found.length;
  };
  const show = () => {
    const filters = [...asked()].filter(([name, value]) => name in tests && value);
    found = rows.filter((row) => filters.every(([name, value]) => tests[name](row, value)));
    const order = asked().get("sort") ?? "newest";
    if (order === "oldest" || order === "concept") found.reverse();
    found.sort(orders[order] ?? orders.newest);
    shown = 0;
    list.replaceChildren();
    extend();
    nothing.hidden = found.length > 0;
    const of = found.length === rows.length ? "" : ` of ${rows.length}`;
    summary.textContent = `${found.length} vector${found.length === 1 ? "" : "s"}${of}`;
    for (const link of document.querySelectorAll("[data-facet]")) {
      const chosen = asked().get(link.dataset.facet) === link.dataset.value;
      chosen ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    }
    if (document.activeElement !== search) search.value = asked().get("q") ?? "";
    sort.value = orders[order] ? order : "newest";
  };
  const change = (name, value) => {
    const next = asked();
    value ? next.set(name, value) : next.delete(name);
    history.replaceState(null, "", `#${next}`);
    show();
  };

  search.addEventListener("input", () => change("q", search.value.trim()));
  sort.addEventListener("change", () => change("sort", sort.value === "newest" ? "" : sort.value));
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-facet]");
    if (!link) return;
    event.preventDefault();
    const { facet, value } = link.dataset;
    change(facet, asked().get(facet) === value ? "" : value);
  });
  more.querySelector("button").addEventListener("click", extend);
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && !more.hidden && extend()).observe(more);
  addEventListener("hashchange", show);
  show();
})();
