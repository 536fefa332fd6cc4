// Draws the plots of the statistics page. Without it the page has its tables.

/**
 * @typedef {{label: string, values: (number | null)[]}} Series
 * @typedef {{id: string, unit: string, series: Series[]}} Plot
 * @typedef {{times: number[], days: boolean, from: string, plots: Plot[]}} Data
 */

const HEIGHT = 200;
// Nothing is told by colour alone: each line has a dash pattern of its own.
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4], [12, 3], [4, 2, 4, 6]];

/** @type {Data} */
const data = JSON.parse(document.getElementById("statistics-data").textContent);
const root = document.querySelector(".statistics");
let drawn = [];

function colour(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

function pad(value) {
  return String(value).padStart(2, "0");
}

/** The times count on the server's clock, so they are read as if they were UTC. */
function clock(time) {
  const moment = new Date(time * 1000);
  const day = `${moment.getUTCFullYear()}-${pad(moment.getUTCMonth() + 1)}-${pad(moment.getUTCDate())}`;
  return data.days ? day : `${day} ${pad(moment.getUTCHours())}:${pad(moment.getUTCMinutes())}`;
}

/** Under the plots: the year where it matters, the hour where there are hours. */
function tick(time) {
  const text = clock(time);
  if (data.days) return data.times.at(-1) - data.times[0] > 300 * 86400 ? text.slice(0, 7) : text.slice(5);
  return text.endsWith("00:00") ? text.slice(5, 10) : text.slice(11);
}

/** 12345 → 12.3k: an axis has room for four or five characters. */
function brief(value) {
  if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (Math.abs(value) >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return String(+value.toFixed(3));
}

function axis() {
  return {
    stroke: colour("--body-quiet-color"),
    grid: { stroke: colour("--hairline-color"), width: 1 },
    ticks: { stroke: colour("--hairline-color"), width: 1 },
  };
}

/** @param {Series} series @param {number} index */
function line(series, index) {
  return {
    label: series.label,
    stroke: colour(`--line-${(index % 6) + 1}`),
    dash: DASHES[index % 6],
    width: 1.5,
    points: { show: true, size: 4 }, // a single value between two gaps is a point only
    value: (_, value) => (value === null || value === undefined ? "–" : brief(value)),
  };
}

/** @param {Plot} plot */
function draw(plot) {
  const place = document.getElementById(`plot-${plot.id}`);
  const options = {
    width: Math.max(place.clientWidth, 200),
    height: HEIGHT,
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
    axes: [{ ...axis(), values: (_, ticks) => ticks.map(tick), space: 56 }, { ...axis(), values: (_, ticks) => ticks.map(brief), size: 52 }],
    series: [{ label: data.from, value: (_, time) => (time === null ? "" : clock(time)) }, ...plot.series.map(line)],
  };
  return new uPlot(options, [data.times, ...plot.series.map((series) => series.values)], place);
}

function drawAll() {
  for (const plot of drawn) plot.destroy();
  drawn = data.plots.map(draw);
}

function fit() {
  for (const plot of drawn) {
    const width = Math.max(plot.root.parentElement.clientWidth, 200);
    if (width !== plot.width) plot.setSize({ width, height: HEIGHT });
  }
}

drawAll();
addEventListener("resize", fit);
// The admin's theme switch writes the attribute; "auto" follows the system.
new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
