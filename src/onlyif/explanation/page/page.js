// The page's own script: it finds and sorts rows, and moves sets, gaps and points together.
"use strict";
(() => {
  const { all, element, labelled, clipped, number, error, charts: drawing } = window.Onlyif;

  // ---- one solution of a continuum

  /** The solution at one α: that of a breakpoint on it, else of the stretch between two. */
  function solution([breaks, corners, pieces], alpha) {
    const place = breaks.findIndex((at) => at >= alpha);
    return breaks[place] === alpha ? corners[place] : pieces[place - 1];
  }

  /** The members of a set, by name; of parts of an image how many they are. */
  function called(held, who, size) {
    if (!Array.isArray(who)) return `${size} of ${held.players} ${held.nouns}`;
    return who.map((i) => (held.values[i] ? `${held.names[i]} = ${held.values[i]}` : held.names[i])).join(", ") || "none";
  }

  // ---- the slider over α

  function overAlpha(place, held) {
    let alpha = held.alpha;
    let [exact, size] = held.rule;
    const rules = Object.keys(held.rules);
    const sizes = (equal) => rules.filter((rule) => rule.startsWith("=") === equal).map((rule) => Number(rule.replace(/[<=]/g, "")));
    const slider = element("input", { type: "range", min: 0, max: 1, step: 0.001, oninput: () => move(Number(slider.value)) });
    const typed = element("input", { type: "number", min: 0, max: 1, step: "any", onchange: () => move(typed.valueAsNumber) });
    const kind = element("select", { onchange: () => rule(kind.value === "=", size) });
    const count = element("select", { onchange: () => rule(exact, Number(count.value)) });
    for (const equal of [false, true]) {
      if (sizes(equal).length) kind.append(element("option", { value: equal ? "=" : "<=" }, equal ? "exactly" : "at most"));
    }
    const said = element("output", { "aria-live": "polite" });
    const charts = element("div", { class: "charts" });
    const jump = (name, way) => element("button", { type: "button", onclick: () => jumped(way) }, name);
    place.replaceChildren(
      element(
        "div", { class: "controls" },
        labelled("α, from needed (0) to enough (1)", slider, "slider"), labelled("α", typed),
        labelled("sets of", kind), labelled(held.nouns, count),
        jump("◀ change before", -1), jump("next change ▶", 1),
      ),
      said, charts,
    );

    const curve = () => held.curves[held.rules[`${exact ? "=" : "<="}${size}`]];

    function rule(equal, wanted) {
      const there = sizes(equal);
      exact = equal;
      size = there.includes(wanted) ? wanted : there.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
      count.replaceChildren(...there.map((one) => element("option", { value: one }, String(one))));
      count.value = String(size);
      kind.value = exact ? "=" : "<=";
      draw();
    }

    function jumped(way) {
      const [breaks] = curve();
      const next = way > 0 ? breaks.find((at) => at > alpha) : breaks.findLast((at) => at < alpha);
      if (next !== undefined) move(next);
    }

    function move(to) {
      if (to >= 0 && to <= 1) alpha = to;
      draw();
    }

    function draw() {
      slider.value = String(alpha);
      if (typed.valueAsNumber !== alpha) typed.value = String(alpha);
      const [set, ties] = solution(curve(), alpha);
      const [who, n, suf, nec, sufError, necError] = held.sets[set];
      const uni = alpha * suf + (1 - alpha) * nec;
      const names = called(held, who, n);
      const tied = ties > 1 ? `; ${ties} sets tie` : "";
      const numbers = `Δsuf = ${number(suf)}${error(sufError)}, Δnec = ${number(nec)}${error(necError)}, Δuni = ${number(uni)}${tied}`;
      said.replaceChildren(element("strong", {}, names), element("br"), `At α = ${number(alpha)}: ${numbers}`);
      slider.setAttribute("aria-valuetext", `${number(alpha)}: ${names}`);
      Object.assign(said.dataset, { alpha: String(alpha), members: JSON.stringify(who), suf: String(suf), nec: String(nec), ties: String(ties) });
      const drawn = [drawing.gaps(held, curve(), alpha, [suf, nec]), drawing.plane(held, curve(), [suf, nec])];
      if (Array.isArray(who) && curve().slice(1).flat().some(([one]) => held.sets[one][1])) drawn.unshift(drawing.strip(held, curve(), alpha, who));
      if (held.network) drawn.unshift(drawing.network(held, who));
      charts.replaceChildren(...drawn);
      if (!Array.isArray(who)) outlined(place.nextElementSibling, who, names);
    }

    rule(exact, size);
  }

  /** The image with another set: its outline, and what is inside or outside of it. */
  function outlined(images, path, names) {
    for (const image of all("svg", images)) {
      for (const one of all(".inside", image)) one.setAttribute("d", (image.dataset.frame ?? "") + path);
      image.setAttribute("aria-label", `${image.nextElementSibling.textContent}: ${names}`);
    }
  }

  // ---- the slider over sizes of causes

  function overSizes(place, held) {
    const said = element("output", { "aria-live": "polite" });
    const charts = element("div", { class: "charts" });
    const last = held.path.length - 1;
    const first = Math.max(0, held.path.findIndex(([, size]) => size === held.size));
    const slider = element("input", { type: "range", min: 0, max: last, step: 1, value: first, oninput: () => draw() });
    place.replaceChildren(element("div", { class: "controls" }, labelled("size of the cause", slider, "slider")), said, charts);

    function draw() {
      const [who, size, pns, pn, ps, typical] = held.path[Number(slider.value)];
      const names = called(held, who, size);
      const numbers = `PNS = ${number(pns)} of at most 2, PN = ${number(pn)}, PS = ${number(ps)}`;
      const usual = typical === null ? "" : `; a set of this size has ${number(typical)} on average`;
      said.replaceChildren(element("strong", {}, names), element("br"), `Size ${size}: ${numbers}${usual}`);
      said.dataset.members = JSON.stringify(who);
      slider.setAttribute("aria-valuetext", `size ${size}: ${names}`);
      const shown = [drawing.sizes(held, size)];
      if (held.singles.length) shown.push(drawing.alone(held, new Set(who)));
      if (held.network) shown.push(drawing.network(held, who));
      charts.replaceChildren(...shown);
      if (!Array.isArray(who)) outlined(place.nextElementSibling, who, names);
    }

    draw();
  }

  // ---- which row is shown

  const sections = all("#details > .row");
  const table = document.querySelector("#rows table");
  const lines = table ? all("tbody tr", table) : [];
  const address = (line) => line.querySelector("a").getAttribute("href");

  /** A row is made when it is first chosen: until then it is one text, so that a thousand rows are no burden. */
  function made(section) {
    const whole = section.querySelector(":scope > noscript");
    if (!whole) return;
    // The page's own markup, in which names and values were escaped when it was written.
    section.innerHTML = whole.textContent;
    const data = section.querySelector("script.data");
    section.prepend(element("nav", { class: "controls", "aria-label": "rows" }));
    const held = JSON.parse(data.textContent);
    const alpha = section.querySelector(".alpha");
    const sizes = section.querySelector(".sizes");
    if (alpha) overAlpha(alpha, held);
    if (sizes && held.path) overSizes(sizes, held);
  }

  /** Links to the rows before and after, among those that are not filtered out. */
  function neighbours(section) {
    const there = all("#rows tbody tr").filter((line) => !line.hidden).map(address);
    const at = there.indexOf(`#${section.id}`);
    const link = (name, to) => (to === undefined ? [] : [element("a", { href: to }, name)]);
    const before = at > 0 ? there[at - 1] : undefined;
    const after = at < 0 ? undefined : there[at + 1];
    const { whole } = section.dataset;
    section.querySelector("nav").replaceChildren(
      ...link(`All ${whole}s`, "#overview"), ...link(`◀ ${whole} before`, before), ...link(`next ${whole} ▶`, after),
    );
  }

  function show() {
    const chosen = sections.find((section) => `#${section.id}` === location.hash);
    const open = chosen ?? (sections.length === 1 ? sections[0] : undefined);
    for (const section of all("#details > .open")) section.classList.remove("open");
    document.documentElement.classList.toggle("chosen", chosen !== undefined);
    if (!open) return;
    open.classList.add("open");
    made(open);
    neighbours(open);
    if (chosen) {
      window.scrollTo(0, 0);
      open.querySelector("h2").focus({ preventScroll: true });
    }
  }

  // ---- filters and order

  function filters(place) {
    const held = JSON.parse(document.querySelector("script.players").textContent);
    const told = element("output", { "aria-live": "polite" });
    const search = element("input", { type: "search", oninput: () => filter() });
    const choices = ["criterion", "decision", "status", "verdict"].map((name) => choice(name, lines.map((line) => line.dataset[name])));
    const player = select("any", held.names.map((name, i) => [String(i), name]));
    const kind = select("any set", held.kinds.map((name) => [name, name]));
    const texts = lines.map((line) => line.textContent.toLowerCase());

    function select(first, options) {
      const shown = options.map(([value, name]) => element("option", { value }, clipped(name)));
      return element("select", { onchange: () => filter() }, element("option", { value: "" }, first), ...shown);
    }

    function choice(name, values) {
      const different = [...new Set(values)].filter((value) => value !== "").sort();
      return { name, control: select("any", different.map((value) => [value, value])), used: different.length > 1 };
    }

    function fits(line, i) {
      if (!texts[i].includes(search.value.toLowerCase())) return false;
      if (choices.some(({ name, control }) => control.value !== "" && line.dataset[name] !== control.value)) return false;
      if (player.value === "") return true;
      const sets = held.rows[i];
      const looked = kind.value === "" ? Object.values(sets) : [sets[kind.value] ?? []];
      return looked.some((set) => set.includes(Number(player.value)));
    }

    function filter() {
      let left = 0;
      lines.forEach((line, i) => {
        line.hidden = !fits(line, i);
        left += line.hidden ? 0 : 1;
      });
      told.textContent = `${left} of ${lines.length} rows`;
    }

    place.replaceChildren(
      element(
        "div", { class: "controls", role: "search" },
        labelled("search", search),
        ...choices.filter(({ used }) => used).map(({ name, control }) => labelled(name, control)),
        ...(held.names.length ? [labelled(held.noun, player), labelled("in", kind)] : []),
      ),
      told,
    );
    filter();
  }

  function sortable() {
    const body = table.querySelector("tbody");
    const heads = all("thead th", table);
    const order = new Intl.Collator(undefined, { numeric: true });
    heads.forEach((head, column) => {
      const name = head.textContent;
      head.replaceChildren(element("button", { type: "button", onclick: () => sort(head, column) }, name));
    });

    function sort(head, column) {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (line) => line.children[column].querySelector("[data-value]")?.dataset.value ?? line.children[column].textContent;
      const numbers = lines.every((line) => line.children[column].querySelector("[data-value]"));
      const compare = numbers ? (a, b) => Number(a) - Number(b) : order.compare;
      const sorted = lines.map((line) => [key(line), line]).sort(([a], [b]) => (down ? -1 : 1) * compare(a, b));
      body.append(...sorted.map(([, line]) => line));
    }
  }

  // In a frame of a notebook an address belongs to the notebook, so that links set the page's own.
  document.addEventListener("click", (event) => {
    const to = event.target.closest("a[href^='#']");
    if (!to) return;
    event.preventDefault();
    location.hash = to.getAttribute("href");
  });

  // What is folded is printed too.
  window.addEventListener("beforeprint", () => all("details").forEach((one) => one.setAttribute("open", "")));
  window.addEventListener("hashchange", show);
  if (table) {
    sortable();
    filters(document.getElementById("filters"));
  }
  show();
})();
