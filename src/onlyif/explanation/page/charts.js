// The charts of one row: what is drawn where; Observable Plot draws.
"use strict";
(() => {
  const { all, element, clipped } = window.Onlyif;
  const MOST_NAMES = 30;

  /** As many charts beside each other as are readable, at most three. */
  function chartWidth() {
    const room = document.querySelector("main").clientWidth - 32;
    return Math.max(260, Math.min(520, room / Math.max(1, Math.min(3, Math.floor(room / 330))) - 16));
  }

  /** A chart with its caption. */
  function figure(caption, label, options) {
    const made = window.Plot.plot({
      width: chartWidth(),
      height: 260,
      marginLeft: 55,
      marginBottom: 40,
      ...options,
      style: { background: "transparent", color: "inherit", fontSize: "13px" },
    });
    // Parts of an image have no names of their own.
    for (const part of all("[aria-label]", made)) part.removeAttribute("aria-label");
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
    return element("figure", {}, element("figcaption", {}, caption), made);
  }

  /** Where each solution between two breakpoints holds. */
  const stretches = ([breaks, , pieces]) => pieces.map(([set], k) => ({ low: breaks[k], high: breaks[k + 1], set }));

  function strip(held, curve, alpha, chosen) {
    const lengths = new Map();
    const bars = [];
    for (const { low, high, set } of stretches(curve)) {
      for (const player of held.sets[set][0]) {
        bars.push({ low, high, player });
        lengths.set(player, (lengths.get(player) ?? 0) + high - low);
      }
    }
    const order = [...lengths.keys()].sort((a, b) => lengths.get(b) - lengths.get(a) || a - b).slice(0, MOST_NAMES);
    const shown = new Set(order);
    const now = new Set(chosen);
    const { barX, ruleX, axisX, axisY } = window.Plot;
    const caption = `Who is in the best set${lengths.size > MOST_NAMES ? ` (the ${MOST_NAMES} that are longest in it)` : ""}`;
    return figure(caption, `Which ${held.nouns} are in the best set, for each α`, {
      height: 60 + 24 * Math.max(1, order.length),
      marginLeft: 170,
      x: { domain: [0, 1] },
      y: { domain: order },
      marks: [
        axisX({ label: "α" }),
        axisY({ label: null, tickFormat: (player) => clipped(held.names[player]) }),
        barX(bars.filter((bar) => shown.has(bar.player)), {
          x1: "low", x2: "high", y: "player", insetTop: 3, insetBottom: 3,
          fill: "var(--unified)", fillOpacity: (bar) => (now.has(bar.player) ? 0.95 : 0.45),
        }),
        ruleX([alpha], { stroke: "currentColor", strokeWidth: 2 }),
      ],
    });
  }

  function gaps(held, curve, alpha, [suf, nec]) {
    const points = stretches(curve)
      .flatMap(({ low, high, set }) => [low, high].map((at) => ({ at, suf: held.sets[set][2], nec: held.sets[set][3] })));
    const { line, dot, ruleX, ruleY, text } = window.Plot;
    const named = { stroke: "var(--ground)", strokeWidth: 4, dy: -9, fontWeight: 600 };
    return figure("Both gaps of the best set; dashed: ε", "The gaps Δsuf and Δnec of the best set, for each α", {
      x: { domain: [0, 1], label: "α" },
      y: { label: "gap", zero: true, nice: true },
      marks: [
        ruleY([held.epsilon], { strokeDasharray: "4 4" }),
        line(points, { x: "at", y: "suf", stroke: "var(--sufficient)", strokeWidth: 2 }),
        line(points, { x: "at", y: "nec", stroke: "var(--necessary)", strokeWidth: 2, strokeDasharray: "7 3" }),
        text(points.slice(0, 1), { x: "at", y: "suf", text: ["Δsuf"], textAnchor: "start", fill: "var(--sufficient)", ...named }),
        text(points.slice(-1), { x: "at", y: "nec", text: ["Δnec"], textAnchor: "end", fill: "var(--necessary)", ...named }),
        ruleX([alpha], { stroke: "currentColor" }),
        dot([{ suf }], { x: [alpha], y: "suf", r: 5, fill: "var(--sufficient)" }),
        dot([{ nec }], { x: [alpha], y: "nec", r: 5, fill: "var(--necessary)" }),
      ],
    });
  }

  function plane(held, curve, [suf, nec]) {
    const path = stretches(curve).map(({ set }) => held.sets[set]);
    const named = together(Object.entries(held.named).map(([name, [x, y]]) => ({ names: [name], x, y })));
    const { line, dot, ruleX, ruleY, text } = window.Plot;
    const dashed = { strokeDasharray: "4 4" };
    const label = { x: "x", y: "y", text: (d) => d.names.join(", "), fill: "currentColor", stroke: "var(--ground)", strokeWidth: 4 };
    // Labels at the right side are written to the left.
    const middle = Math.max(held.epsilon, ...named.map(({ x }) => x), ...path.map((set) => set[2])) / 2;
    const left = named.filter(({ x }) => x <= middle);
    const right = named.filter(({ x }) => x > middle);
    return figure("Where it lies: left is enough, below is needed; dashed: ε", "The best sets by their two gaps", {
      grid: true,
      x: { label: "Δsuf", zero: true, nice: true },
      y: { label: "Δnec", zero: true, nice: true },
      marks: [
        ruleX([held.epsilon], dashed),
        ruleY([held.epsilon], dashed),
        line(path, { x: "2", y: "3", stroke: "var(--unified)", strokeOpacity: 0.6 }),
        dot(path, { x: "2", y: "3", r: 3, fill: "var(--unified)" }),
        dot(named, { x: "x", y: "y", symbol: (d) => SYMBOLS[d.names[0]] ?? "times", r: 6, stroke: (d) => `var(--${d.names[0]})`, strokeWidth: 2 }),
        text(left, { ...label, dx: 12, textAnchor: "start" }),
        text(right, { ...label, dx: -12, textAnchor: "end" }),
        dot([{ suf, nec }], { x: "suf", y: "nec", r: 9, stroke: "currentColor", strokeWidth: 3 }),
      ],
    });
  }

  /** Sets at one place bear one label. */
  function together(named) {
    const places = new Map();
    for (const one of named) {
      const at = `${one.x} ${one.y}`;
      if (places.has(at)) places.get(at).names.push(...one.names);
      else places.set(at, one);
    }
    return [...places.values()];
  }

  const SYMBOLS = { sufficient: "square", necessary: "triangle", unified: "diamond" };

  function sizesChart(held, size) {
    const rows = held.path.map(([, of, pns, , , typical]) => ({ size: of, pns, typical }));
    const { line, dot, ruleX, ruleY } = window.Plot;
    return figure("PNS of the best set of each size; dashed: of a set of that size on average", "PNS by size", {
      x: { label: "size", ticks: rows.length > 12 ? 12 : rows.map((row) => row.size), tickFormat: "d" },
      y: { label: "PNS", zero: true, nice: true },
      marks: [
        ruleY([0]),
        line(rows, { x: "size", y: "pns", stroke: "var(--cause)" }),
        dot(rows, { x: "size", y: "pns", fill: "var(--cause)" }),
        line(rows.filter((row) => row.typical !== null), { x: "size", y: "typical", strokeDasharray: "4 4" }),
        ruleX([size], { stroke: "currentColor" }),
      ],
    });
  }

  function alone(held, now) {
    const rows = held.singles.map(([player, pns]) => ({ player, pns })).sort((a, b) => b.pns - a.pns).slice(0, MOST_NAMES);
    const { barX, ruleX, axisY } = window.Plot;
    return figure("Each alone; in full colour: of the set above", `PNS of the ${held.nouns} alone`, {
      height: 60 + 24 * rows.length,
      marginLeft: 170,
      x: { label: "PNS", zero: true },
      y: { domain: rows.map((row) => row.player) },
      marks: [
        axisY({ label: null, tickFormat: (player) => clipped(held.names[player]) }),
        barX(rows, { x: "pns", y: "player", fill: "var(--cause)", fillOpacity: (row) => (now.has(row.player) ? 0.95 : 0.45) }),
        ruleX([0]),
      ],
    });
  }

  // ---- a network of edges

  /** Places of nodes on rings around one of them, each near the node that it is reached from. */
  function rings(centre, edges) {
    const places = new Map([[centre, { x: 0, y: 0, ring: 0, from: 0, to: 2 * Math.PI }]]);
    let reached = [centre];
    while (reached.length) {
      const next = [];
      for (const node of reached) {
        const others = [...new Set(edges.flatMap(([a, b]) => (a === node ? [b] : b === node ? [a] : [])))].filter((one) => !places.has(one));
        const { ring, from, to } = places.get(node);
        others.forEach((one, k) => {
          const [low, high] = [k, k + 1].map((part) => from + ((to - from) * part) / others.length);
          const angle = (low + high) / 2;
          places.set(one, { x: (ring + 1) * Math.cos(angle), y: (ring + 1) * Math.sin(angle), ring: ring + 1, from: low, to: high });
          next.push(one);
        });
      }
      reached = next;
    }
    // What hangs on nothing that was reached lies outside.
    const rest = [...new Set(edges.flat())].filter((node) => !places.has(node));
    const outside = Math.max(...[...places.values()].map(({ ring }) => ring)) + 1;
    rest.forEach((node, k) => {
      const angle = (2 * Math.PI * (k + 0.5)) / rest.length;
      places.set(node, { x: outside * Math.cos(angle), y: outside * Math.sin(angle) });
    });
    return places;
  }

  function network(held, chosen) {
    const { link, dot, text } = window.Plot;
    const { edges, node, directed } = held.network;
    const places = rings(node, edges);
    const now = new Set(chosen);
    const lines = edges.map(([a, b], player) => ({ ...ends(places.get(a), places.get(b)), kept: now.has(player) }));
    const dots = [...places].map(([name, place]) => ({ name, ...place }));
    const drawn = { x1: "x1", y1: "y1", x2: "x2", y2: "y2", markerEnd: directed ? "arrow" : "none" };
    return figure("The edges of the best set, in full; the others dashed", "The network around the node", {
      height: Math.min(420, chartWidth()),
      margin: 24, marginLeft: 24, marginBottom: 24,
      aspectRatio: 1,
      x: { axis: null, inset: 12 },
      y: { axis: null, inset: 12 },
      marks: [
        link(lines.filter(({ kept }) => !kept), { ...drawn, stroke: "currentColor", strokeOpacity: 0.55, strokeDasharray: "3 4" }),
        link(lines.filter(({ kept }) => kept), { ...drawn, stroke: "var(--unified)", strokeWidth: 3 }),
        dot(dots, { x: "x", y: "y", r: 11, fill: "var(--ground)", stroke: (d) => (d.name === node ? "var(--link)" : "currentColor"), strokeWidth: (d) => (d.name === node ? 3 : 1) }),
        text(dots, { x: "x", y: "y", text: "name", fontSize: 10, fill: "currentColor" }),
      ],
    });
  }

  const ends = (a, b) => ({ x1: a.x, y1: a.y, x2: b.x, y2: b.y });

  window.Onlyif.charts = { strip, gaps, plane, sizes: sizesChart, alone, network };
})();
