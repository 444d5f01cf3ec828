// What the page draws with: the marks that it uses, and nothing else of the library.
export { axisX, axisY, barX, dot, line, link, plot, ruleX, ruleY, text } from "@observablehq/plot";
