// Elements and numbers, as all of the page's script makes and writes them.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const LONGEST_NAME = 24;

  /** An element with attributes, listeners ("on...") and what is in it; texts stay texts. */
  function element(name, attributes = {}, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...inside);
    return made;
  }

  let labels = 0;

  /** A control below its label. */
  function labelled(text, control, kind = "") {
    labels += 1;
    control.id = `control-${labels}`;
    return element("div", { class: `field ${kind}` }, element("label", { for: control.id }, text), control);
  }

  const clipped = (text) => (text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME - 1)}…` : text);

  /** Four significant digits, as Python's "%.4g" writes them; ties go to the even digit there. */
  function fourDigits(value) {
    const [, sign, digits, rest, power] = value.toExponential(60).match(/^(-?)(\d\.\d{3})(\d*)e(.*)$/);
    const even = /^50*$/.test(rest) && Number(digits.at(-1)) % 2 === 0;
    const [mantissa, exponent] = even ? [sign + digits, power] : value.toExponential(3).split("e");
    const at = Number(exponent);
    if (at >= -4 && at < 4) return trimmed(Number(`${mantissa}e${at}`).toFixed(3 - at));
    return `${trimmed(mantissa)}e${at < 0 ? "-" : "+"}${String(Math.abs(at)).padStart(2, "0")}`;
  }

  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

  /** A number for a reader, as the texts of the library have it. */
  function number(value) {
    if (typeof value === "string") return value;
    if (value === null || value === undefined) return "unknown";
    const size = Math.abs(value);
    if (size >= 9999.5 && size < 1e9) {
      const low = Math.floor(size);
      const up = size - low > 0.5 || (size - low === 0.5 && low % 2 === 1);
      return (value < 0 ? "-" : "") + (low + (up ? 1 : 0));
    }
    return value === 0 ? "0" : fourDigits(value);
  }

  /** A standard error behind its number; nothing where that is exact. */
  function error(value) {
    if (value === "nan") return " ± unknown";
    return value ? ` ± ${number(Number(value.toPrecision(2)))}` : "";
  }

  window.Onlyif = { all, element, labelled, clipped, number, error };
})();
